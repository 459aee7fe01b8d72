"""The words of tables in thirteen languages: names of columns -> their role; cells -> a label, a term of TI-RADS."""

from __future__ import annotations

import re
import unicodedata

from thyrosight.tirads.descriptors import LEXICON

_WORDS: dict[str, str] = {
    "image": """image, image path, img, img path, image file, filename, file, path, image name, file path,
        image filename, picture, Bild, Bilddatei, Bildname, Bildpfad, Dateiname, Datei, Dateipfad, Aufnahme,
        fichier, nom du fichier, nom fichier, fichier image, nom de l'image, nom image, chemin, chemin image,
        imagen, archivo, fichero, nombre de archivo, nombre archivo, nombre del archivo, nombre de la imagen,
        nombre imagen, archivo de imagen, ruta, ruta imagen, imagem, arquivo, nome do arquivo, nome arquivo,
        ficheiro, nome da imagem, nome imagem, caminho, caminho da imagem, immagine, nome file, nome del file,
        file immagine, nome immagine, percorso, percorso immagine, afbeelding, bestand, bestandsnaam, görüntü,
        resim, dosya, dosya adı, dosya ismi, resim adı, görüntü adı, görüntü dosyası, resim dosyası, dosya yolu,
        obraz, plik, nazwa pliku, изображение, снимок, файл, имя файла, файл изображения, путь, 图像, 图片,
        影像, 文件, 文件名, 图像文件, 图像名, 图像名称, 图片名, 图片名称, 图像路径, 图片路径, 文件路径,
        影像文件, 影像路径, 圖像, 圖片, 檔案, 檔名, 画像, 画像ファイル, 画像名, ファイル, ファイル名, 이미지,
        파일, 파일명, 영상""",
    "mask": """mask, mask path, mask file, mask name, segmentation, annotation, gt, label mask, Maske,
        Maskendatei, Maskenpfad, Maskenname, Segmentierung, masque, fichier masque, fichier du masque,
        nom du masque, masque de segmentation, máscara, archivo máscara, archivo de máscara,
        máscara de segmentación, segmentación, arquivo da máscara, arquivo máscara, segmentação, maschera,
        file maschera, segmentazione, masker, maske dosyası, bölütleme, segmentasyon, maska, маска, файл маски,
        сегментация, 掩码, 掩膜, 掩模, 蒙版, 掩码文件, 掩膜文件, 掩码路径, 掩膜路径, 分割, 分割图, 遮罩, マスク,
        マスク画像, マスクファイル, セグメンテーション, 마스크""",
    "malignancy": """malignancy, malignant, label, cate, class, diagnosis, pathology, histology, classification,
        cancer, Diagnose, Dignität, Klasse, Klassifikation, Pathologie, Histologie, bösartig, Malignität,
        diagnostic, étiquette, classe, dignité, pathologie, histologie, malin, malignité, diagnóstico, etiqueta,
        clase, clasificación, patología, histología, maligno, malignidad, rótulo, classificação, patologia,
        histologia, malignidade, diagnosi, etichetta, classificazione, istologia, malignità, tanı, teşhis,
        etiket, sınıf, patoloji, histoloji, malign, malignite, kötü huylu, diagnoza, rozpoznanie, диагноз,
        метка, класс, патология, гистология, злокачественный, злокачественность, 标签, 標籤, 诊断, 診斷,
        诊断结果, 类别, 分类, 病理, 病理结果, 病理诊断, 良恶性, 恶性, 性质, 診断, ラベル, 病理診断, 悪性,
        良悪性, 진단, 라벨, 병리""",
    "group": """group, patient, patient id, subject, subject id, Patienten ID, Patientennummer, Patienten Nr,
        Patient Nr, patient n°, id patient, identifiant patient, numéro patient, numéro du patient, paciente,
        ID paciente, ID del paciente, código paciente, número de paciente, paciente ID, ID do paciente,
        número do paciente, paziente, ID paziente, codice paziente, numero paziente, patiënt, hasta, hasta no,
        hasta ID, hasta numarası, pacjent, пациент, ID пациента, номер пациента, код пациента, 患者, 患者ID,
        患者编号, 患者号, 病人, 病人ID, 病人编号, 病历号, 患者番号, 환자, 환자ID, 환자번호""",
    "case_id": "case id, id, image id",
    "source": "source, dataset",
    "split": "split, subset",
    "fold": "fold",
    "row_mm": "row mm",
    "column_mm": "column mm",
    "target": "target",
    "composition": "composition",
    "echogenicity": "echogenicity",
    "shape": "shape",
    "margin": "margin, margins",
    "foci": "foci, echogenic foci, calcifications, calcification",
    "tirads": "tirads, acr tirads",
}
_MALIGNANT = """malignant, malign, malignancy, maligno, maligna, maligni, maligne, malin, malignes, malignos, malignas,
    bösartig, boesartig, bösartige, kötü huylu, habis, kwaadaardig, złośliwy, złośliwa, злокачественный,
    злокачественная, злокачественное, 恶性, 惡性, 悪性, 악성"""
_BENIGN = """benign, benigno, benigna, benigni, benigne, bénin, bénigne, benin, bénins, benignos, benignas, gutartig,
    gutartige, iyi huylu, selim, goedaardig, łagodny, łagodna, доброкачественный, доброкачественная, доброкачественное,
    良性"""
_YES = "ja, oui, sí, sì, sim, evet, tak, да, 是, はい, krebs, karzinom, cáncer, carcinome, carcinoma, kanser, рак, 癌"
_NO = "nein, non, não, hayır, nie, нет, 否, いいえ"
_NEITHER = """unbekannt, inconnu, desconocido, desconhecido, sconosciuto, onbekend, bilinmiyor, неизвестно, 未知, 不明,
    normale, normales, normaal, 正常"""


def plain_name(name: str) -> str:
    """Text -> its plain form for comparisons: lower case, without accents, blanks and punctuation."""
    seen = "".join(sign for sign in name if unicodedata.category(sign) != "Cf")  # of no width
    apart = unicodedata.normalize("NFKD", seen.casefold().replace("ı", "i").replace("ł", "l"))
    bare = unicodedata.normalize("NFC", "".join(sign for sign in apart if unicodedata.category(sign) != "Mn"))
    return re.sub(r"[^0-9a-z\u0080-\uffff]+", "", bare)


def _words(text: str) -> tuple[str, ...]:
    return tuple(" ".join(word.split()) for word in text.split(","))


ALIASES: dict[str, tuple[str, ...]] = {
    role: tuple(dict.fromkeys(map(plain_name, _words(text)))) for role, text in _WORDS.items()
}
"""Role -> the names of columns with this role, in the plain form of `plain_name`."""


def _as_written_and_plain(text: str) -> frozenset[str]:
    """-> the words in lower case and in plain form: names of folders are compared with their accents, cells without."""
    words = [unicodedata.normalize("NFC", word).casefold() for word in _words(text)]
    return frozenset(words) | frozenset(map(plain_name, words))


MALIGNANT_WORDS = _as_written_and_plain(_MALIGNANT)
BENIGN_WORDS = _as_written_and_plain(_BENIGN)
"""Words for benign and for malignant in names of folders and categories, and in tables."""
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Words for the parts of a set -> the names of these parts in cases.csv."""
LABELS: dict[str, int | None] = {
    **dict.fromkeys(("1", "malignant", "high", "true", "yes", "m", "positive", "cancer"), 1),
    **dict.fromkeys(("0", "benign", "low", "false", "no", "b", "negative"), 0),
    **dict.fromkeys(("", "normal", "unknown", "-1"), None),
}
"""Values of a label cell in lower case; errors list them."""
_LABEL_WORDS: dict[str, int | None] = {
    **dict.fromkeys(map(plain_name, _words(_NEITHER)), None),
    **dict.fromkeys((*map(plain_name, _words(_YES)), *MALIGNANT_WORDS), 1),
    **dict.fromkeys((*map(plain_name, _words(_NO)), *BENIGN_WORDS), 0),
}


def is_label(text: str) -> bool:
    """Whether a cell is a label in one of the languages."""
    return text.casefold() in LABELS or plain_name(text) in _LABEL_WORDS


def label_of(text: str) -> int | None:
    """A cell for which is_label is True -> 1 malignant, 0 benign, None where it says neither."""
    return LABELS[text.casefold()] if text.casefold() in LABELS else _LABEL_WORDS[plain_name(text)]


_SAME_AS: dict[str, dict[str, str]] = {
    "composition": {
        "cystic": "cystic or almost completely cystic",
        "predominantly cystic": "mixed cystic and solid",
        "predominantly solid": "mixed cystic and solid",
        "solid": "solid or almost completely solid",
    },
    "echogenicity": {
        "hyperechogenicity": "hyperechoic or isoechoic",
        "isoechogenicity": "hyperechoic or isoechoic",
        "hyperechoic": "hyperechoic or isoechoic",
        "isoechoic": "hyperechoic or isoechoic",
        "hypoechogenicity": "hypoechoic",
        "marked hypoechogenicity": "very hypoechoic",
        "markedly hypoechoic": "very hypoechoic",
    },
    "shape": {},
    "margin": {
        "well defined smooth": "smooth",
        "ill defined": "ill-defined",
        "microlobulated": "lobulated or irregular",
        "macrolobulated": "lobulated or irregular",
        "lobulated": "lobulated or irregular",
        "irregular": "lobulated or irregular",
        "spiculated": "lobulated or irregular",
    },
    "foci": {
        "non": "none or large comet-tail artifacts",
        "none": "none or large comet-tail artifacts",
        "macrocalcification": "macrocalcifications",
        "microcalcification": "punctate echogenic foci",
        "microcalcifications": "punctate echogenic foci",
    },
}


def to_lexicon(name: str, words: str) -> str | None:
    """Descriptor name, the words of a set -> the term of the lexicon, or None where none or several could be meant.

    "dense" and "well defined" are not translated: a well-defined margin may be smooth or lobulated.
    """
    plain = re.sub(r"\s+", " ", words.strip().lower())
    spaced = re.sub(r"[\s\-_]+", " ", plain)
    for term in LEXICON[name]:
        if spaced == re.sub(r"[\s\-_]+", " ", term):
            return term
    return _SAME_AS[name].get(spaced)
