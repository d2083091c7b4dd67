"""What `mpitrain doctor` knows: facts of a process, a trial launch, and checks that judge both."""
