package golden

import _ "latent/gpu/reference" // the devices that EachDevice tries
