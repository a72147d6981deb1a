// Package postcard makes the training pictures of Latent's built-in model and
// scores what the model paints.
//
// A postcard is a square RGB picture: one or two objects on a plain, graded or
// simple scenic background, with a short English caption that says what is
// there. Pictures are drawn without end; picture k of a seed is a pure function
// of the seed, so a training set needs no storage. Some pairs of object and
// background colour are held out: no training picture shows them, and the score
// asks the model for exactly these.
//
// The objects are glyphs of Noto Color Emoji (© Google Inc., SIL Open Font
// License 1.1), read from the installed font; the font is no part of Latent.
// Only making training pictures and scoring need it, using the model does not.
package postcard
