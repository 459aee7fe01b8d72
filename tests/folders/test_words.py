"""Words of tables in several languages: columns, labels, and what is asked about."""

from __future__ import annotations

from pathlib import Path

import pytest

from drawn_images import picture, rectangle, save
from thyrosight.datasets.prepare import PrepareOptions, prepare
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError
from thyrosight.folders.words import ALIASES, BENIGN_WORDS, MALIGNANT_WORDS, is_label, label_of, plain_name

TABLES = {
    "German": ("Bild;Maske;Diagnose;Patienten-ID", "gutartig", "bösartig"),
    "German, file": ("Dateiname;Maskendatei;Dignität;Patientennummer", "benigne", "maligne"),
    "French": ("Fichier;Masque;Diagnostic;N° patient", "bénin", "malin"),
    "French, long": ("Nom de l'image;Masque de segmentation;Étiquette;Numéro patient", "Bénigne", "Maligne"),
    "Spanish": ("Imagen;Máscara;Diagnóstico;ID paciente", "benigno", "maligno"),
    "Spanish, no accents": ("nombre_archivo;mascara;diagnostico;paciente", "BENIGNO", "MALIGNO"),
    "Portuguese": ("Arquivo;Máscara;Patologia;Paciente", "benigna", "maligna"),
    "Italian": ("Immagine;Maschera;Etichetta;Codice paziente", "benigno", "maligno"),
    "Turkish": ("Görüntü;Maske;Tanı;Hasta No", "İyi huylu", "Kötü huylu"),
    "Turkish, capitals": ("DOSYA ADI;MASKE;TEŞHİS;HASTA ID", "BENİGN", "MALİGN"),
    "Chinese": ("图像;掩码;良恶性;患者ID", "良性", "恶性"),
    "Chinese, file": ("文件名;分割;标签;病人编号", "否", "是"),
    "Japanese": ("ファイル名;マスク;診断;患者番号", "良性", "悪性"),
    "Russian": ("Изображение;Маска;Диагноз;Пациент", "доброкачественный", "злокачественный"),
    "Korean": ("이미지;마스크;라벨;환자ID", "0", "1"),
}


def prepared(folder: Path, head: str, benign: str, malignant: str) -> Path:
    rows = []
    for number, label in enumerate((benign, malignant, benign)):
        save(folder / f"{number}.png", picture(number))
        save(folder / "m" / f"{number}_m.png", rectangle())
        rows.append(f"{number}.png;m/{number}_m.png;{label};P{number // 2}")
    table = folder / "t.csv"
    table.write_text("\n".join([head.replace("N° patient", "Patient n°"), *rows]), encoding="utf-8")
    return table


@pytest.mark.parametrize("language", TABLES)
def test_a_table_is_read_and_says_so(tmp_path: Path, language: str) -> None:
    head, *labels = TABLES[language]
    table = prepared(tmp_path / "set", head, *labels)
    summary = prepare(table, tmp_path / "out", PrepareOptions(folds=0), workers=1)
    cases = read_cases(summary.cases_csv)
    assert [case.malignancy for case in cases] == [0, 1, 0]
    assert [case.group for case in cases] == ["P0", "P0", "P1"]
    assert all(case.mask for case in cases)
    assert summary.notes[0].startswith(f"columns: image = {head.split(';')[0]}, mask = ")


def test_an_unknown_word_asks_with_the_command(tmp_path: Path) -> None:
    table = prepared(tmp_path / "set", "delwedd;mwgwd;dosbarth;claf", "0", "1")
    table.write_text(table.read_text(encoding="utf-8").replace("0.png;", "gone.png;"), encoding="utf-8")
    with pytest.raises(InputError, match="--column image=COLUMN; columns there: delwedd, mwgwd, dosbarth, claf"):
        prepare(table, tmp_path / "out", PrepareOptions(folds=0), workers=1)


def test_of_two_columns_for_the_image_the_one_that_holds_files_is_read(tmp_path: Path) -> None:
    table = prepared(tmp_path / "set", "Dateiname;Maske;Diagnose;Bild", "0", "1")
    summary = prepare(table, tmp_path / "out", PrepareOptions(folds=0, columns={"group": "none"}), workers=1)
    assert "image = Dateiname" in summary.notes[0]


def test_no_word_means_two_things() -> None:
    roles: dict[str, str] = {}
    for role, names in ALIASES.items():
        for name in map(plain_name, names):
            assert roles.setdefault(name, role) == role
            assert name
    assert not MALIGNANT_WORDS & BENIGN_WORDS
    assert not {word for word in MALIGNANT_WORDS if label_of(word) != 1}
    assert not {word for word in BENIGN_WORDS if label_of(word) != 0}
    assert not is_label("양성")  # benign or positive
    assert (label_of("-1"), label_of("1"), label_of("未知")) == (None, 1, None)
