"""Where a folder's images and labels are: Duke's sheets, or labels.csv."""
