package daemoncmd

// HeaderPin returns the pin of a Raspberry Pi's 40-pin header for a line of its chip (raspberrypi/documentation,
// gpio.adoc). The result ok is false if the line is not on the header, or is one of the two lines that read the ID of a
// HAT.
func HeaderPin(gpio int) (pin int, ok bool) {
	pins := [...]int{2: 3, 3: 5, 4: 7, 5: 29, 6: 31, 7: 26, 8: 24, 9: 21, 10: 19, 11: 23, 12: 32, 13: 33, 14: 8, 15: 10,
		16: 36, 17: 11, 18: 12, 19: 35, 20: 38, 21: 40, 22: 15, 23: 16, 24: 18, 25: 22, 26: 37, 27: 13}
	if gpio < 0 || gpio >= len(pins) {
		return 0, false
	}
	return pins[gpio], pins[gpio] > 0
}
