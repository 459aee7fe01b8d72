"""What images look like: sketches that know a picture again, odd pictures, rows that a bundle has seen."""
