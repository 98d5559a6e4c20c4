"""What should happen next: pure functions over records, with time as an argument."""
