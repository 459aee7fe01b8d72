"""The PACS side: images received over DICOM or fetched over DICOMweb, SEG and SR sent back beside them."""
