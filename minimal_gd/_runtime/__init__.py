"""What has nothing to do with the mathematics: arguments, threads, compiling, interrupts, files."""
