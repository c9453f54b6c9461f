// Package keyboard reads cards through USB readers that type the card's number and Enter or Tab, as a keyboard would.
//
// It reads the device's own events (evdev) and takes the device for itself (EVIOCGRAB), so that a console or a browser
// does not get the number. Key codes name places on a keyboard and have no layout: a French console changes nothing. A
// reader that was itself set to a French layout (AZERTY) presses Q's place for A and M's for a comma, with shift for
// digits; it is understood, because no number holds Q or M. Set a reader with another layout to US English, or to
// digits only.
//
// A slow program loses events: the kernel keeps 64 of them, fewer than a ten-digit card needs, and says SYN_DROPPED;
// then the whole line is thrown away, up to its Enter, because what is left of it could be another card's number. So is
// a line that a second passes over, because its other half was lost, and one that waited more than two seconds to be
// read (the process was stopped, or the disk held it up), because who tapped may have left.
//
// It accepts digits and A to F, from the top row and the keypad, and in format decimal facility,number: three bytes, or
// four where the facility has five digits. A reader that sends no Enter and no Tab is not understood, because a line
// that lost its end cannot be told from a whole one. What is thrown away is told to Unread, with the reason. It refuses
// a line with any other key but shift, of fewer than 4 or more than 24 characters, in format hex one with an odd number
// of digits or more than 20, and in format decimal one with a letter or a number that does not fit in 8 bytes.
//
// In format decimal the card's bytes are the number, big endian, in 4 bytes or, where they do not suffice, in as many
// as it needs: 0007616768 is the card 00743900. Readers for 125 kHz cards type in ten digits the last 4 of the card's 5
// bytes; which member such a number belongs to is for rfid.Forms and package roster.
package keyboard
