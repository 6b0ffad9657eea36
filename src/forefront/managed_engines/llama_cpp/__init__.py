"""llama.cpp's server in a child process, through the package `xllamacpp`."""
