module latent

go 1.24
