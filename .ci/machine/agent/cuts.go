package main

func cuts(*machine) error { return nil }
