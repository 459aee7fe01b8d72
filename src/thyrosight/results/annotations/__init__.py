"""Outlined images -> the annotation files of others' tools: COCO JSON, CVAT for images 1.1, Label Studio JSON."""
