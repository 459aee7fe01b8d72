"""Model on the disk <-> verified Bundle: its records, card, checks and training sets."""

from thyrosight.bundle.card import model_card as model_card
from thyrosight.bundle.records import BundleInfo as BundleInfo
from thyrosight.bundle.records import Calibration as Calibration
from thyrosight.bundle.records import OperatingPoint as OperatingPoint
from thyrosight.bundle.records import Preprocessing as Preprocessing
from thyrosight.bundle.records import Score as Score
from thyrosight.bundle.records import TrainingSet as TrainingSet
from thyrosight.bundle.store import CARD_NAME as CARD_NAME
from thyrosight.bundle.store import FORMAT_VERSION as FORMAT_VERSION
from thyrosight.bundle.store import INFO_NAME as INFO_NAME
from thyrosight.bundle.store import MAX_BYTES as MAX_BYTES
from thyrosight.bundle.store import ONNX_NAME as ONNX_NAME
from thyrosight.bundle.store import WEIGHTS_NAME as WEIGHTS_NAME
from thyrosight.bundle.store import Bundle as Bundle
from thyrosight.bundle.store import bundle_id as bundle_id
from thyrosight.bundle.store import default_bundle_path as default_bundle_path
from thyrosight.bundle.store import fold_bundles as fold_bundles
from thyrosight.bundle.store import load_bundle as load_bundle
from thyrosight.bundle.store import write_bundle as write_bundle
from thyrosight.bundle.weight_checks import WeightsError as WeightsError
from thyrosight.bundle.weight_checks import check_onnx as check_onnx
from thyrosight.bundle.weight_checks import check_safetensors as check_safetensors
from thyrosight.bundle.weight_checks import refuse_duplicates as refuse_duplicates
