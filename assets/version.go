package assets

// Version is the program's, which FyneApp.toml has for what packages it.
const Version = "0.1.0"
