"""What images look like: sketches that recognise a picture again, odd pictures, rows that a bundle has seen."""
