"""Names of files and folders -> what they state: mask or image, class, split, patient; and the masks of each image."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from thyrosight.folders.tree import by_name, stem_without_ending
from thyrosight.folders.words import BENIGN_WORDS, MALIGNANT_WORDS, SPLIT_WORDS

MASK_WORDS = frozenset(
    re.split(
        r"\s+",
        """mask masks msk msks label labels labelstr labelsts gt gts groundtruth seg segs segmentation
    segmentations segmentationclass segmentationobject annotation annotations annot outline outlines roi rois contour
    contours""",
    )
)
IMAGE_WORDS = frozenset(
    re.split(
        r"\s+",
        """image images img imgs imagestr imagests jpegimages picture pictures original originals
    input inputs frames data dataset ultrasound us bmode dicom""",
    )
)
_SURELY_IMAGES = frozenset(("image", "images", "img", "imgs", "imagestr", "jpegimages", "originals"))
NODULE_WORDS = frozenset(
    ("nodule", "nodules", "nodulo", "lesion", "lesions", "tumor", "tumors", "tumour", "tumours", "mass", "masses")
)
_MALIGNANT = MALIGNANT_WORDS | {"cancer", "carcinoma"}
_BENIGN = BENIGN_WORDS
OVERLAY_WORDS = frozenset(
    re.split(
        r"\s+",
        "overlay overlays overlaid annotated visualization visualisation visualizations visualisations vis preview "
        "previews drawn marked contoured blended blend heatmap heatmaps gradcam",
    )
)
"""Words of pictures that somebody has drawn an outline or a map over."""
CLASS_PAIRS = (
    ("b", "m"),
    ("negative", "positive"),
    ("low", "high"),
    ("low risk", "high risk"),
    *((f"{word}0", f"{word}1") for word in ("", "class ", "class", "category ", "cat ")),
)
"""Pairs of folder names that are classes only if both folders exist; the first is benign."""
NOT_MALIGNANT = frozenset(
    f"{no}{gap}{word}" for no in ("non", "not", "no") for gap in (" ", "") for word in ("cancer", "malignant")
)
"""A folder of such a name holds benign images if another folder is named malignant."""
ORGAN_WORDS = frozenset(
    re.split(
        r"\s+",
        "gland glands thyroid thyroids lobe lobes isthmus trachea carotid artery arteries vein veins jugular vessel "
        "vessels muscle muscles esophagus oesophagus",
    )
)
"""Words for masks of something other than a nodule."""
NO_NODULE = frozenset(("no", "non", "not", "without", "normal", "healthy"))
_NORMAL = frozenset(("normal", "healthy"))
_NOT = frozenset(("non", "not", "no", "un"))
_BELOW_A_PATIENT = re.compile(
    r"^((study|st|series|se|exam|examination|visit|scan|session|view|clip|loop|acquisition|left|right|isthmus"
    r"|transverse|longitudinal|sagittal|axial)[ _.-]*\d*|\d{4}-?\d\d-?\d\d|\d+(\.\d+){3,})$",
    re.IGNORECASE,
)
"""Names of folders inside a patient's folder: a study, a series, a date, a UID, a view."""
MIN_PATIENTS, MAX_IMAGES_PER_PATIENT = 3, 30
"""Folders count as patients where there are at least MIN_PATIENTS of them, and their median number of images is at most
MAX_IMAGES_PER_PATIENT."""
_CLASS_NUMBER = re.compile(r"^(class|label|category|cate|cat|type)?[ _.-]*[012]$", re.IGNORECASE)
_CATEGORY = re.compile(
    r"^((acr|eu|k|c)?[ _.-]*(ti-?rads|tr|bi-?rads|bethesda)|class|label|category|cate|cat|type|grade)"
    r"[ _.-]*([0-6]|[iv]{1,3})[ _.-]*[abc]?$",
    re.IGNORECASE,
)
"""TR4, TI-RADS 4a, class2: names of folders that state a category, not a patient."""
_SIDE = re.compile(
    r"(?<=\d)[ _.-]*(left|right|links|rechts|l|r|isthmus|lt|rt|trans(verse)?|long(itudinal)?|sag(ittal)?|axial)$",
    re.IGNORECASE,
)
"""P001_left, 12R: the end of a name that states side or plane, after the patient's number."""
_PATIENT_NAME = re.compile(r"^(p|pt|pa|pat|patient|case|subject|sub|s|id|study)?[ _.-]*\d+$", re.IGNORECASE)
_LAST_NUMBER = re.compile(r"[ _.-]+\(?\d{1,2}\)?$")
"""masks/a_1.png, masks/a_2.png: two masks of the image a."""
_MASK_WORD = (
    r"(?:seg(?:mentation)?[ _.-]?)?(?:masks?|msk|gt|ground[ _-]?truth|seg|segmentation|annotation|label|outline|roi)"
)
_MASK_NAME = re.compile(
    rf"^(?:{_MASK_WORD}[ _.-]+(?P<after>.+)|(?P<before>.+?)[ _.-]+\(?{_MASK_WORD}\)?(?:[ _.-]?\(?\d{{1,2}}\)?)?)$",
    re.IGNORECASE,
)
Key = tuple[tuple[str, ...], str]


def words_of(name: str) -> frozenset[str]:
    """`Train_Images 2` -> {train, images, 2}."""
    plain = unicodedata.normalize("NFC", name).casefold()  # macOS stores accents apart
    return frozenset(re.split(r"[\W_]+", re.sub(r"ground[ _-]?truth", "groundtruth", plain))) - {""}


def malignancy_in(name: str) -> int | None:
    """A class or folder name -> 1 where it says malignant, 0 where it says benign, None where neither or both.

    Also None where it holds a negation: `not malignant` does not say what it is instead.
    """
    words = words_of(name)
    is_malignant, is_benign = bool(words & _MALIGNANT), bool(words & _BENIGN)
    return int(is_malignant) if is_malignant != is_benign and not words & _NOT else None


def is_nodule_name(name: str) -> bool:
    """Whether the name of a category means a nodule: it says nodule, lesion, benign or malignant, not "no nodule"."""
    words = words_of(name)
    return malignancy_in(name) is not None or bool(words & NODULE_WORDS and not words & NO_NODULE)


def is_mask_folder(parts: Sequence[str]) -> bool:
    """Names of the folders above a file -> whether the file is a mask.

    Where several of them say mask or image, the last one decides.
    """
    for part in reversed(parts):
        if words_of(part) & MASK_WORDS:
            return True
        if words_of(part) & _SURELY_IMAGES:
            return False
    return False


@dataclass(frozen=True)
class Place:
    """What the names of the folders above a file state: its class, its split, and the rest.

    rest: the names that state neither of these, nor image or mask: a patient, a centre, a device.
    """

    malignancy: int | None
    split: str
    rest: tuple[str, ...]


def place_of(parts: Sequence[str]) -> Place:
    """Names of the folders between the set's folder and a file -> what they state."""
    malignancy, split, rest = None, "", []
    for part in parts:
        words = words_of(part)
        if (label := malignancy_in(part)) is not None:
            malignancy = label
        elif found := [SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS]:
            split = found[0]
        elif not words & (MASK_WORDS | IMAGE_WORDS | _NORMAL):
            rest.append(part)
    return Place(malignancy, split, tuple(rest))


def key_of(parts: Sequence[str]) -> tuple[str, ...]:
    """Names of the folders above a file -> a key without words for mask and image; an image and its mask share it."""
    keys = []
    for part in parts:
        words = [word for word in re.split(r"[\W_]+", unicodedata.normalize("NFC", part).casefold()) if word]
        keys.append(" ".join(word for word in words if word not in MASK_WORDS | IMAGE_WORDS))
    return tuple(key for key in keys if key)


def patients_of(rests: Sequence[tuple[str, ...]]) -> tuple[list[str], str]:
    """Per image, the folder names in Place.rest -> (a group per image, a note on which folders became patients).

    All groups are "" where the folders are few and large: such a folder is a centre or a device, not a patient.
    """
    names = [_SIDE.sub("", "/".join(rest)) for rest in _up_to_patient(rests)]
    sizes = sorted(Counter(name for name in names if name).values())
    if not sizes or all(name == names[0] for name in names):
        return [""] * len(names), ""
    shown = ", ".join(list(dict.fromkeys(name for name in names if name))[:3])
    if len(sizes) > 2 and all(_CATEGORY.match(name.rpartition("/")[2]) for name in names if name):
        return [""] * len(names), (
            f"folders {shown} ... are taken for categories: no patients, and no label is read from them; a CSV with a "
            'column for them gives labels by --malignant "COLUMN>=VALUE"'
        )
    is_two = len(sizes) == 2 and all(_CLASS_NUMBER.match(name) for name in names if name)
    doubt = "; if they are classes, no label is read from them: call them benign and malignant" if is_two else ""
    is_numbered = all(_PATIENT_NAME.match(name.rpartition("/")[2]) for name in names if name)
    if is_numbered or (len(sizes) >= MIN_PATIENTS and sizes[len(sizes) // 2] <= MAX_IMAGES_PER_PATIENT):
        return names, f"folders are taken for patients, {len(sizes)} of them: {shown} ...{doubt}"
    return [""] * len(names), f"folders {shown} hold up to {sizes[-1]} images each: not taken for patients{doubt}"


def _up_to_patient(rests: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Per image, the folder names in Place.rest -> these names without the studies and series below the patient.

    If all folders of one level have names like P001, this level is the patient. Otherwise names of a study, a series or
    a view are cut off at the end.
    """
    depth = max(map(len, rests), default=0)
    for level in range(depth - 1):
        if all(len(rest) > level and _PATIENT_NAME.match(rest[level]) for rest in rests):
            cut = [rest[: level + 1] for rest in rests]
            sizes = sorted(Counter(cut).values())
            if len(sizes) > 1 and sizes[len(sizes) // 2] <= MAX_IMAGES_PER_PATIENT:
                return cut
    shorter = []
    for rest in rests:
        while len(rest) > 1 and _BELOW_A_PATIENT.match(rest[-1]):
            rest = rest[:-1]
        shorter.append(rest)
    return shorter


def is_patient_name(name: str) -> bool:
    """Whether a folder's name is a patient's: P001, patient 7, 12_left."""
    return bool(_PATIENT_NAME.match(_SIDE.sub("", name)))


def classes_of(places: Sequence[Place]) -> tuple[list[int | None], list[tuple[str, ...]], str]:
    """Place per image -> (its class or None, its `rest` without the class, a note on folders that became classes).

    It finds the classes of CLASS_PAIRS and NOT_MALIGNANT, such as B and M: one such folder alone states no class.
    """
    rests = [place.rest for place in places]
    has_malignant = any(place.malignancy == 1 for place in places)
    for level in range(max(map(len, rests), default=0)):
        named = {plain_words(rest[level]) for rest in rests if len(rest) > level}
        pair = next((pair for pair in CLASS_PAIRS if named == set(pair)), None)
        below = [rest[level + 1] for rest in rests if len(rest) > level + 1]
        if pair is not None and pair[0].endswith("0") and any(map(_BELOW_A_PATIENT.match, below)):
            pair = None  # 0/2021-03-01/: patients with their studies
        if pair is None and has_malignant and len(named) == 1 and named <= NOT_MALIGNANT:
            pair = (named.pop(), "")
        if pair is not None:
            label_of = {pair[0]: 0, pair[1]: 1}
            labels = [label_of[plain_words(rest[level])] if len(rest) > level else None for rest in rests]
            left = [(*rest[:level], *rest[level + 1 :]) for rest in rests]
            others = f" and {pair[1]} for malignant" if pair[1] else ""
            return labels, left, f"folders {pair[0]} are taken for benign{others}"
    return [None] * len(rests), rests, ""


def plain_words(name: str) -> str:
    """`Low_Risk` -> low risk."""
    return " ".join(re.split(r"[\W_]+", unicodedata.normalize("NFC", name).casefold())).strip()


def image_name_of(mask_stem: str) -> str:
    """`12_mask`, `12-seg_1`, `mask_12` -> `12`: the name of the image that a mask of this name belongs to."""
    found = _MASK_NAME.match(mask_stem)
    return (found["after"] or found["before"]) if found else mask_stem


def names_of_image(name: str) -> tuple[str, ...]:
    """What a mask's name says (12 of 12_mask) -> the names that its image may have."""
    return name, f"{name}_0000", f"{name}_image", f"{name}_img", f"image_{name}", f"img_{name}"


def common_prefix(stems: Sequence[str]) -> str:
    """Names -> what all of them begin with, up to its last separator ("bus_" of bus_0001-l, bus_0002-r)."""
    if len(stems) < 2:
        return ""
    first, last = min(stems), max(stems)
    length = next((k for k, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    found = re.match(r".*[ _.-]", first[:length])
    return found[0] if found else ""


def shorter_names(stem: str) -> list[str]:
    """`case1_tumor_2` -> case1_tumor, case1: the beginnings of a name, cut at its separators, longest first."""
    return [stem[: found.start()] for found in re.finditer(r"[ _.-]+", stem) if found.start()][::-1]


def safe_name(path: Path, stem: str) -> str:
    """A path inside the set, its stem -> a name of letters, digits, `_`, `-` and inner dots, folders included."""
    return re.sub(r"[^\w.-]+", "_", "_".join((*path.parent.parts, stem))).strip("._") or "_"


@dataclass(frozen=True)
class Sorted:
    """The images of a set, and its masks. rule: a phrase that says how they were told apart."""

    images: list[Path]
    masks: list[Path]
    rule: str
    suffixes: tuple[str, ...] = ()
    """Endings of masks' names, such as `_tumor` of a_tumor.png for the image a.png; in lower case."""
    is_per_folder: bool = False
    """Whether each folder holds one image and its masks, whatever their names are."""
    others: tuple[Path, ...] = ()
    """Masks in further folders (of a model, of a second reader); they are not used."""


def matched(folder: Path, found: Sorted) -> tuple[dict[Path, list[Path]], list[Path]]:
    """Images and masks -> ({image: its masks}, masks without an image), matched by folder and name, then by name alone.

    Where no names are equal, what all images begin with, and what all masks begin with, is left out (bus_7, mask_7).
    """
    pairs: dict[Path, list[Path]] = {image: [] for image in found.images}
    keys = {_key(folder, image, ""): image for image in found.images}
    # Where names differ in case alone, each mask belongs to the image that is written as it is.
    keys.update({(_key(folder, image, "")[0], stem_without_ending(image)): image for image in found.images})
    names = by_name(found.images)
    strays = []
    if found.is_per_folder:
        image_in = {image.parent: image for image in found.images}
        for mask in found.masks:
            if mask.parent in image_in:
                pairs[image_in[mask.parent]].append(mask)
            else:
                strays.append(mask)
        return pairs, strays
    for mask in found.masks:
        image = _image_of(folder, mask, keys, names, found.suffixes)
        if image is None:
            strays.append(mask)
        else:
            pairs[image].append(mask)
    if found.masks and len(strays) == len(found.masks):
        cut = common_prefix([stem_without_ending(path) for path in found.images])
        cut_mask = common_prefix([stem_without_ending(path) for path in found.masks])
        shorter = {_key(folder, image, cut): image for image in found.images}
        numbers = Counter(map(_number_key, found.images))
        numbered = {_number_key(image): image for image in found.images if numbers[_number_key(image)] == 1}
        strays = []
        for mask in found.masks:
            image = shorter.get(_key(folder, mask, cut_mask)) or next(
                (names[name.casefold()][0] for name in _names_of_one(mask, names)), numbered.get(_number_key(mask))
            )
            if image is None:
                strays.append(mask)
            else:
                pairs[image].append(mask)
    return pairs, strays


def _number_key(path: Path) -> str:
    """us7.png, US007.png -> us7: the name without case and leading zeros."""
    return re.sub(r"0*(\d+)", r"\1", stem_without_ending(path).casefold())


def _names_of_one(mask: Path, names: dict[str, list[Path]]) -> list[str]:
    """masks/a_tumor.png -> a, where exactly one image is named a."""
    return [name for name in shorter_names(stem_without_ending(mask)) if len(names.get(name.casefold(), [])) == 1]


def _image_of(
    folder: Path, mask: Path, keys: dict[Key, Path], names: dict[str, list[Path]], suffixes: Sequence[str]
) -> Path | None:
    stem = stem_without_ending(mask)
    cut = [stem[: -len(suffix)] for suffix in suffixes if stem.casefold().endswith(suffix)]
    names_of_it = (*cut, stem, image_name_of(stem), image_name_of(image_name_of(stem)), _LAST_NUMBER.sub("", stem))
    for name in dict.fromkeys(names_of_it):
        for written in names_of_image(name):
            place = key_of(mask.relative_to(folder).parent.parts)
            found = keys.get((place, written)) or keys.get((place, written.casefold()))
            same = names.get(written.casefold(), [])
            if found is None and len(same) == 1:
                found = same[0]
            if found is not None:
                return found
    return None


def _key(folder: Path, path: Path, prefix: str) -> Key:
    stem = stem_without_ending(path)
    return key_of(path.relative_to(folder).parent.parts), stem.removeprefix(prefix).casefold()
