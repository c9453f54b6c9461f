// Package keyboard reads cards through USB readers that type the card's number and Enter, as a keyboard would.
//
// It reads the device's own events (evdev) and takes the device for itself (EVIOCGRAB), so that a console or a browser does not get
// the number. Key codes name places on a keyboard and have no layout: a French console changes nothing, but a reader that was itself
// set to a French layout presses Q where an A is, and its lines are refused. Set such a reader to US English, or to digits only.
//
// A slow program loses events: the kernel keeps 64 of them, fewer than a ten-digit card needs, and says SYN_DROPPED; then the whole
// line is thrown away, up to its Enter, because what is left of it could be another card's number. So is a line that a second
// passes over, because its other half was lost, and one that waited more than two seconds to be read (the process was stopped, or
// the disk held it up), because who tapped may have left.
//
// It accepts digits and A to F, from the top row and the keypad. It refuses a line with any other key but shift, of fewer than 4 or
// more than 24 characters, in format hex one with an odd number of digits or more than 20, and in format decimal one with a letter
// or a number that does not fit in 8 bytes.
//
// In format decimal the card's bytes are the number, big endian, in 4 bytes or, where they do not suffice, in as many as it needs:
// 0007616768 is the card 00743900. Readers for 125 kHz cards print in ten digits the last 4 of the card's 5 bytes, so the same card
// has another number behind an RDM6300 (package rdm6300), which sends all 5: list both for its member where a site has both readers.
package keyboard
