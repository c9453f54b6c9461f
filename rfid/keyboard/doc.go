// Package keyboard reads cards through USB readers that type the card's number and Enter, as a keyboard would.
//
// It reads the device's own events (evdev) and takes the device for itself (EVIOCGRAB), so that a console or a browser does not get
// the number. Key codes have no layout: a French keyboard changes nothing. A slow program loses events: the kernel keeps 64
// of them, fewer than a ten-digit card needs, and says SYN_DROPPED; then the whole line is thrown away, up to its Enter, because
// what is left of it could be another card's number.
//
// It accepts digits and A to F, from the top row and the keypad. It refuses a line with any other key, of fewer than 4 or more than 24
// characters, and in format hex one with an odd number of digits.
package keyboard
