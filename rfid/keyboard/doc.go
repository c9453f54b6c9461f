// Package keyboard reads cards through USB readers that act as a keyboard: they type the card's number, then Enter or
// Tab.
//
// The package reads the device's own events (evdev) and opens the device exclusively (EVIOCGRAB), so that no console or
// browser receives the number. Key codes are positions on a keyboard and do not depend on a layout, so a console with a
// French layout changes nothing. A reader that is itself set to a French layout (AZERTY) sends the key code of Q for A
// and the key code of M for a comma, and presses shift for digits. The package decodes such a line, because no card's
// number contains the letters Q or M. A reader with any other layout must be set to US English, or to send digits
// only.
//
// A program that reads too slowly loses events. The kernel buffers 64 events, which is less than two cards of ten
// digits produce; when the buffer is full, the kernel sends SYN_DROPPED. After SYN_DROPPED the package discards all
// keys up to the next Enter, because they could belong to another card's number. The package also discards a line
// that is incomplete after one second, because the rest of the line was lost. It discards a line that waited for more
// than two seconds to be read (because the process was suspended, or the disk was slow), because the person may have
// left.
//
// The package accepts digits and A to F, from the top row and the keypad, and in format decimal also facility,number:
// three bytes, or four if the facility has five digits. A reader that sends neither Enter nor Tab is not supported,
// because a line that lost its end would look complete. Discarded lines are passed to Unread, with the reason. A line
// is refused if it contains any other key except shift, or has fewer than 4 or more than 24 characters. In format
// hex, the package also refuses a line with an odd number of digits or with more than 20 digits. In format decimal,
// the package also refuses a line with a letter or with a number that does not fit in 8 bytes.
//
// In format decimal the card's bytes are the number, big endian, in 4 bytes or as many as the number needs: 0007616768
// is the card 00743900. Readers for 125 kHz cards type the last 4 of the card's 5 bytes as ten digits. rfid.Forms and
// package roster find the member to whom such a shortened number belongs.
package keyboard
