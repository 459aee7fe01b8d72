"""Frame -> Prediction: views, letterbox, one batch of the network, inverse to source pixels, nodules, risk, flags.

Legend: V views, `_HW` arrays in source pixels, `_V1HW` arrays at the network's input size, `_xy` points (column, row).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from thyrosight.bundle.records import BundleInfo
from thyrosight.bundle.store import Bundle, bundle_id, load_bundle
from thyrosight.bundle.weight_checks import WeightsError
from thyrosight.environment import software_version
from thyrosight.errors import BundleError
from thyrosight.files import readable
from thyrosight.frames.source import Source, ValueRange, as_frame
from thyrosight.inference.flags import flags_of
from thyrosight.inference.nodule_masks import nodule_masks_of
from thyrosight.inference.onnx_runtime import CPU, INPUT_NAME, MAX_THREADS, OUTPUT_NAMES, default_threads, load_network
from thyrosight.inference.prevalence import ShareOfMalignant
from thyrosight.inference.records import Examination, RawPrediction
from thyrosight.inference.risk import calibrated_risk, risk_interval
from thyrosight.measurement.fine_outline import outline_of
from thyrosight.measurement.nodule_uids import nodule_uid
from thyrosight.measurement.outlines import bounding_box, outlines
from thyrosight.measurement.signs import nodule_signs
from thyrosight.measurement.size import measure
from thyrosight.prediction import (
    ImageIdentity,
    ModelIdentity,
    Nodule,
    OperatingPointResult,
    PixelBox,
    Prediction,
    SpacingMm,
)
from thyrosight.types import BoolArray, Box, FloatArray, Frame, UInt8Array, whole_given
from thyrosight.views.field import field_of_view, find_panels
from thyrosight.views.letterbox import letterbox, restored
from thyrosight.views.screen_text import without_text
from thyrosight.views.second_look import closer_views
from thyrosight.views.shown_frame import shown_picture

NO_INTERVAL = "the model's bundle does not carry the uncertainty of its calibration"
ROUNDING = 1e-3
"""The mean of an ensemble's probabilities may be below 0 or above 1 by this much, because of rounding."""
INTERVAL_MEANING = "95 %, from the calibration's uncertainty alone ({n} images); it knows nothing of the network's own"


class Predictor:
    """The network of a bundle, loaded once.

    Several threads may call `predict`. Sent to another process (multiprocessing), it is loaded there from its bundle.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int | None = None,
        tta: bool = False,
        prevalence: float | None = None,
        device: str = CPU,
    ) -> None:
        self.info: BundleInfo = bundle.info
        self.share = ShareOfMalignant.of(bundle.info, prevalence)
        self.model = ModelIdentity(name=bundle.info.name, id=bundle_id(bundle.info))
        self.with_tta = tta
        self.bundle_path = bundle.path
        self._absolute_path = bundle.path.absolute()
        self.seen = bundle.seen
        self._graph = bundle.graph
        self.threads = default_threads() if threads is None else whole_given("threads", threads, 1, MAX_THREADS)
        self._session, self.device = load_network(bundle, self.threads, device)

    def __repr__(self) -> str:
        return f"<Predictor {self.info.name}: {self.info.risk_meaning}>"

    def __reduce__(self) -> tuple[Callable[..., Predictor], tuple[object, ...]]:
        settings = (self.threads, self.with_tta, self.share.asked_for, self.device)
        return loaded_again, (str(self._absolute_path), self.model.id, *settings)

    @classmethod
    def load(
        cls,
        bundle: Path | str | None = None,
        *,
        threads: int | None = None,
        tta: bool = False,
        prevalence: float | None = None,
        device: str = CPU,
    ) -> Predictor:
        """Bundle folder or zip ("shipped" or None: the shipped one) -> Predictor.

        tta: averages with mirrored and closer views.
        prevalence: the share of malignant nodules to which every risk is adjusted; None leaves risks as calibrated.
        threads: 1 or more; None: one per core.
        device: where the network runs: cpu, cuda, openvino, coreml, directml, or auto for the first that works here;
        the attribute `device` says which. MissingExtraError or ConfigError where a named device does not work.
        """
        return cls(load_bundle(bundle), threads=threads, tta=tta, prevalence=prevalence, device=device)

    def predict(
        self, source: Source, *, frame_index: int | None = None, value_range: ValueRange | None = None
    ) -> Prediction:
        """File (path or text), array (H, W) or (H, W, 3) RGB, Pillow image of any mode, or Frame -> Prediction.

        frame_index: the frame to predict, for a file of several frames. value_range: the values of black and white,
        which an array that is not uint8 needs, for example (0, 1) or (0, 4095). The prediction keeps the image, to draw
        its overlay. InputError where the source is no image, or where frame_index or value_range is needed and missing.
        """
        examination = self.examine(source, frame_index=frame_index, value_range=value_range)
        frame, prediction = examination.frame, examination.prediction
        return prediction.with_picture(partial(shown_picture, frame, prediction))

    def examine(
        self, source: Source, *, frame_index: int | None = None, value_range: ValueRange | None = None
    ) -> Examination:
        """As `predict`; returns the frame, the network's maps and the mask as well as the prediction."""
        started = time.perf_counter()
        frame = as_frame(source, frame_index, value_range)
        raw = self.run(frame)
        prediction = self.interpret(frame, raw)
        seconds = round(time.perf_counter() - started, 4)
        return Examination(frame, raw, prediction.model_copy(update={"seconds": seconds}))

    def run(self, frame: Frame, *, fov: Box | None = None, panels: tuple[Box, ...] = ()) -> RawPrediction:
        """Frame -> the network's maps in source pixels; fov and panels are found where they are not given.

        The bundle decides what the network sees: the whole frame (crop "none"), the field as one view (views "frame"),
        or each panel of the field. Text in the field is filled in first, except with crop "none".
        """
        started = time.perf_counter()
        fov, panels = self._views(frame, fov, panels)
        is_cropped = self.info.preprocessing.crop == "field"
        image_HW, text = without_text(frame.image_HW, fov) if is_cropped else (frame.image_HW, ())
        boxes = [letterbox(panel, self.info.preprocessing.size_hw) for panel in panels]
        probability_V1HW, logits_V, map_V1HW = self._forward(np.stack([box.image(image_HW) for box in boxes])[:, None])
        probability_HW = restored(boxes, probability_V1HW, frame.size_hw)
        if self.with_tta and self.info.has_mask:
            self._look_again(image_HW, probability_HW, panels)
        map_HW = restored(boxes, map_V1HW, frame.size_hw)
        nodule_masks = tuple(nodule_masks_of(probability_HW[panel.slices], self.info) for panel in panels)
        mask_HW = np.zeros(frame.size_hw, np.bool_)
        for panel, masks in zip(panels, nodule_masks, strict=True):
            for nodule_HW in masks:
                mask_HW[panel.slices] |= nodule_HW
        logits = [float(logit) for logit in logits_V]
        chosen = [logit for logit, masks in zip(logits, nodule_masks, strict=True) if masks] or logits
        return RawPrediction(
            probability_HW=probability_HW,
            malignancy_logit=sum(chosen) / len(chosen) if self.info.has_malignancy else math.nan,
            malignancy_map_HW=map_HW,
            fov=fov,
            panels=panels,
            mask_HW=mask_HW,
            view_logits=tuple(logits),
            nodule_masks=nodule_masks,
            text=text,
            seconds=time.perf_counter() - started,
            is_text_sought=is_cropped,
        )

    def interpret(self, frame: Frame, raw: RawPrediction) -> Prediction:
        """Frame, the network's maps of it -> its nodules with sizes, risks and flags."""
        started = time.perf_counter()
        calibrated = calibrated_risk(self.info, raw.malignancy_logit)
        risk = self.share.restated(calibrated)
        nodules = self._nodules(frame, raw, risk)
        return Prediction(
            image=_identity(frame),
            field_of_view=PixelBox.of(raw.fov),
            panels=tuple(PixelBox.of(panel) for panel in raw.panels),
            nodules=nodules,
            risk=risk,
            risk_meaning=self.info.risk_meaning,
            risk_reason=None if self.info.has_malignancy else f"the model {self.info.name} does not rate malignancy",
            operating_points=tuple(
                OperatingPointResult(
                    name=point.name,
                    threshold=self.share.restated(point.threshold),
                    is_above=calibrated >= point.threshold,
                    meaning=point.meaning,
                )
                for point in self.info.operating_points
                if calibrated is not None
            ),
            flags=flags_of(frame, raw, nodules, self.info),
            model=self.model,
            with_tta=self.with_tta,
            software_version=software_version(),
            seconds=round(raw.seconds + time.perf_counter() - started, 4),
            risk_share=self.share.of_result(calibrated),
        )

    def _views(self, frame: Frame, fov: Box | None, panels: tuple[Box, ...]) -> tuple[Box, tuple[Box, ...]]:
        """-> (the ultrasound field, the views; the network sees each view as one image)."""
        if self.info.preprocessing.crop == "none":
            height, width = frame.size_hw
            whole = Box(0, 0, width, height)
            return whole, (whole,)
        fov = fov or field_of_view(frame.image_HW, frame.rgb_HW3, frame.regions)
        if self.info.preprocessing.views == "frame":
            return fov, (fov,)
        return fov, panels or find_panels(frame.image_HW, fov)

    def _forward(self, image_V1HW: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Views -> (mask probability _V1HW, malignancy logit _V, malignancy map _V1HW); tta adds mirrored views."""
        outputs = self._forward_once(image_V1HW)
        if self.with_tta:
            mask, logit, malignancy = self._forward_once(np.ascontiguousarray(image_V1HW[..., ::-1]))
            mirrored = (mask[..., ::-1], logit, malignancy[..., ::-1])
            outputs = tuple((plain + other) * np.float32(0.5) for plain, other in zip(outputs, mirrored, strict=True))
        mask_V1HW, logit_V, map_V1HW = outputs
        if not all(np.isfinite(output).all() for output in outputs):
            raise BundleError(
                f"model {self.info.name}: its network gave values that are not finite; use another bundle"
            )
        return mask_V1HW, logit_V, map_V1HW

    def _look_again(self, image_HW: UInt8Array, probability_HW: FloatArray, panels: tuple[Box, ...]) -> None:
        """Averages the mask probability, in place, with the probability in a closer view around the nodules found."""
        closer = closer_views(probability_HW, panels)
        if not closer:
            return
        boxes = [letterbox(box, self.info.preprocessing.size_hw) for box in closer]
        again_V1HW, _, _ = self._forward(np.stack([box.image(image_HW) for box in boxes])[:, None])
        again_HW = restored(boxes, again_V1HW, (probability_HW.shape[0], probability_HW.shape[1]))
        for box in closer:
            probability_HW[box.slices] = (probability_HW[box.slices] + again_HW[box.slices]) / 2

    def _forward_once(self, image_V1HW: FloatArray) -> tuple[FloatArray, ...]:
        try:
            self._graph.check(len(image_V1HW))
        except WeightsError as error:
            raise BundleError(f"model {self.info.name}: its network {error}; use another bundle") from None
        try:
            outputs = tuple(self._session.run(list(OUTPUT_NAMES), {INPUT_NAME: image_V1HW}))
        except Exception as error:  # ONNX Runtime has a dozen error types of its own
            raise BundleError(
                f"model {self.info.name}: its network can't be run ({type(error).__name__}); use another bundle"
            ) from error
        is_probability = outputs[0].min(initial=0) >= -ROUNDING and outputs[0].max(initial=0) <= 1 + ROUNDING
        if not is_probability:  # NaN fails both comparisons too
            raise BundleError(f"model {self.info.name}: its mask is no probability; use another bundle")
        return outputs

    def _nodules(self, frame: Frame, raw: RawPrediction, image_risk: float | None) -> tuple[Nodule, ...]:
        """-> the nodules of all panels, largest first."""
        found = []
        for index, (panel, masks) in enumerate(zip(raw.panels, raw.nodule_masks, strict=True)):
            for nodule_HW in masks:
                mask_HW = np.zeros(frame.size_hw, np.bool_)
                mask_HW[panel.slices] = nodule_HW
                found.append(self.nodule(frame, raw, mask_HW, index, image_risk))
        found.sort(key=lambda nodule: -nodule.size.area_px)
        return tuple(nodule.model_copy(update={"number": number}) for number, nodule in enumerate(found, 1))

    def nodule(
        self, frame: Frame, raw: RawPrediction, mask_HW: BoolArray, panel_index: int, image_risk: float | None
    ) -> Nodule:
        """A nodule's mask in source pixels -> its record. The mask may be the network's or a person's.

        Its risk comes from the mean of the malignancy map under the mask; without a map it is image_risk. The signs use
        only pixels of the panel, without those of the other nodules (raw.mask_HW).
        """
        logit, risk = raw.malignancy_logit, image_risk
        if self.info.has_malignancy and self.info.has_malignancy_map:
            logit = float(raw.malignancy_map_HW[mask_HW].mean())
            risk = self.share.restated(calibrated_risk(self.info, logit))
        interval = self.share.restated_interval(risk_interval(self.info, logit))
        spacing, spacing_reason = frame.spacing_in(bounding_box(mask_HW))
        outline_xy = tuple((int(x), int(y)) for x, y in outlines(mask_HW)[0])
        outline = outline_of(mask_HW)
        return Nodule(
            number=1,
            uid=nodule_uid(frame.sha256, frame.frame_index, outline_xy),
            panel_index=panel_index,
            outline_xy=outline_xy,
            size=measure(mask_HW, spacing, spacing_reason, outline).rounded(),
            mean_probability=round(float(raw.probability_HW[mask_HW].mean()), 6),
            risk=risk,
            risk_interval=interval,
            risk_interval_reason=NO_INTERVAL
            if interval is None
            else INTERVAL_MEANING.format(n=self.info.calibration.n),
            signs=nodule_signs(
                mask_HW,
                frame.image_HW,
                spacing=spacing,
                view=raw.panels[panel_index],
                excluded_HW=_no_tissue(raw, mask_HW),
                outline=outline,
            ),
        )


def _no_tissue(raw: RawPrediction, mask_HW: BoolArray) -> BoolArray:
    """-> the other nodules and the burned-in text, which are not part of the tissue around a nodule."""
    excluded_HW = raw.mask_HW & ~mask_HW
    for box in raw.text:
        excluded_HW[box.slices] = True
    return excluded_HW


@lru_cache(maxsize=2)
def loaded_again(path: str, model_id: str, threads: int, tta: bool, prevalence: float | None, device: str) -> Predictor:
    """Bundle's path and settings of a Predictor of another process -> the same Predictor in this one, loaded once.

    BundleError where another model is at the path now.
    """
    predictor = Predictor.load(path, threads=threads, tta=tta, prevalence=prevalence, device=device)
    if predictor.model.id != model_id:
        raise BundleError(f"{path}: another model is there than the Predictor was loaded from; load it again")
    return predictor


def _identity(frame: Frame) -> ImageIdentity:
    height, width = frame.size_hw
    spacing = frame.spacing
    return ImageIdentity(
        name=readable(frame.path.name) if frame.path else None,
        sha256=frame.sha256,
        width_px=width,
        height_px=height,
        frame_index=frame.frame_index,
        num_frames=frame.num_frames,
        spacing=SpacingMm(row_mm=spacing.row_mm, column_mm=spacing.column_mm) if spacing else None,
        spacing_reason=frame.spacing_reason,
    )
