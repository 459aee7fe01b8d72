"""The commands of the command line, by what they are about: clinic, data, training, results."""
