"""What several test files share: tiny models of real classes, fakes, HTTP doubles and child processes."""
