"""What every wing and the analysis may import: the question, the record, the run folder. No torch."""
