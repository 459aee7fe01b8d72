"""Images from a PACS, received by DICOM or fetched by DICOMweb -> SEG and SR, sent back into the same study."""
