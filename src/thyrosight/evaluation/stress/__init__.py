"""What disturbed images cost the scores."""
