"""A public set's name -> what its publication says of it: where, when, by what devices, of whom, judged by whom.

Only what is published is here; an empty text is unknown. What a copy on the disk holds is counted, not looked up.
"""

from __future__ import annotations

from thyrosight.bundle_info import Origin

ORIGINS = {
    "ddti": Origin(
        citation="Pedraza et al., An open access thyroid ultrasound image database, Proc. SPIE 9287, 2015",
        place="Colombia (Universidad Nacional de Colombia; screens labelled in Spanish)",
        devices="TOSHIBA Nemio 30 and Nemio MX, 12 MHz",
        population="patients with thyroiditis, cystic nodules, adenomas or cancers; age and sex of a part are given",
        outlines_by="expert radiologists of the publication, as polygons in XML",
        labels_by="TI-RADS category read by the publication's radiologists; it says that malignant ones were confirmed "
        "by biopsy, but the files hold no pathology",
        eligibility="suspicious lesions with an annotation; how patients were chosen is not published",
    ),
    "busi": Origin(
        citation="Al-Dhabyani et al., Dataset of breast ultrasound images, Data in Brief 28, 2020",
        collected="2018",
        place="Baheya Hospital, Cairo, Egypt",
        devices="GE LOGIQ E9 and LOGIQ E9 Agile",
        population="600 women, 25 to 75 years old",
        outlines_by="drawn for the publication and reviewed by radiologists of the hospital",
        labels_by="class given by the publication: normal, benign or malignant",
        eligibility="not published; Pawlowska et al. (2023) found duplicates and images of other regions in it",
    ),
    "tg3k": Origin(
        citation="Gong et al., Multi-task learning for thyroid nodule segmentation with thyroid region prior, "
        "ISBI 2021",
        population="frames of 16 ultrasound videos",
        outlines_by="the thyroid gland, for the publication",
        labels_by="none",
        eligibility="frames in which the gland covers more than 6 % of the image",
    ),
    "tn3k": Origin(
        citation="Gong et al., Thyroid region prior guided attention for ultrasound segmentation of thyroid nodules, "
        "Computers in Biology and Medicine 2023",
        collected="January 2016 to August 2020",
        population="2,421 patients",
        outlines_by="nodules, for the publication",
        eligibility="at least one nodule; no lymph nodes or large coloured areas; one image of a region or view",
    ),
    "phantom": Origin(
        citation="drawn by `thyrosight phantom`",
        population="none: synthetic",
        outlines_by="the program that drew the nodule: exact",
        labels_by="the program that drew the nodule",
    ),
}
