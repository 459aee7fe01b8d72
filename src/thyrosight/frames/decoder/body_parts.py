"""Codes of a DICOM header -> the body part that they state, if it is certainly not the neck; else an empty text.

Only terms of the standard pass, so that no free text of a header is passed on: value 3 of Image Type (PS3.3
C.8.5.6.1.1) and Body Part Examined (PS3.16 Annex L). SMALL PARTS, NECK and unknown words give nothing. BREAST gives
nothing either: networks also learn from breast images, and a reader sees at once what they show.
"""

from __future__ import annotations

_IMAGE_TYPES = """
ABDOMINAL CHEST ENDOCAVITARY ENDORECTAL ENDOVAGINAL EPICARDIAL GYNECOLOGY INTRACARDIAC INTRAVASCULAR MUSCULOSKELETAL
OBSTETRICAL OPHTHALMIC PELVIC RETROPERITONEAL SCROTAL TEE TRANSCRANIAL TTE
"""
_BODY_PARTS = """
ABDOMEN ABDOMENPELVIS ADRENAL ANKLE ANUS AORTA APPENDIX ARM BILEDUCT BLADDER BRAIN CALF CHEST CHESTABDOMEN COLON ELBOW
EXTREMITY EYE FETUS FINGER FOOT FOREARM GALLBLADDER GROIN HAND HEART HIP ILEUM KIDNEY KNEE LEG LIVER LUNG OVARY PANCREAS
PELVIS PENIS PLACENTA PROSTATE RECTUM SCROTUM SHOULDER SPLEEN STOMACH TESTIS THIGH TOE UMBILICAL URETER UTERUS VAGINA
WRIST
"""
IMAGE_TYPES = frozenset(_IMAGE_TYPES.split()) | {"FETAL HEART", "NEONATAL HEAD"}
BODY_PARTS = frozenset(_BODY_PARTS.split())


def other_body_part(image_type_3: str, body_part: str) -> str:
    """Value 3 of Image Type, Body Part Examined ("" where absent) -> the term for a part other than the neck.

    "" where no such term is stated.
    """
    if image_type_3.upper() in IMAGE_TYPES:
        return image_type_3.upper()
    return body_part.upper() if body_part.upper() in BODY_PARTS else ""
