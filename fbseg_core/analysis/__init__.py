"""What can be said of a trajectory once it has been computed."""
