// Package circuit recomputes the circuits of the wiring page from the drawings' own files, so that a drawing cannot say
// one thing and be built, or tested, as another. It is used by tests alone: no program imports it.
//
// A drawing (firmware-config/*.svg) carries its netlist in <metadata>, as text. A line "circuit NAME" begins a circuit;
// every other line is a part:
//
//	NAME KIND NODES… VALUE [±N%]
//
//	kind        nodes                               value
//	R, C, FUSE  two                                 470Ω, 0.47µF, 1A; a fuse in good order is a wire
//	V           +, −                                5V
//	D, LED      anode, cathode                      the type of the part: BAT46, red
//	TVS         two                                 the type of the part: P6KE12CA
//	COIL        two                                 its resistance: 63Ω
//	NPN         base, collector, emitter            the type of the part: BC337
//	NMOS        gate, drain, source                 the type of the part: AO3400A
//	OPTO        anode, cathode, collector, emitter  the type of the part: PC817
//	NC, NO      two                                 what the contact belongs to: a word
//	PIN         the node                            GPIO17: a pin of the Pi
//	LOAD        two                                 what it is: a word
//	TIME        none                                2.5ms
//
// The node "gnd" is what voltages are measured against. Read refuses a drawing that does not show each part's name (of
// S0.1, S0) with its value in the same text, and its tolerance somewhere; the word of a contact or a load may stand in
// another text. V and PIN need no name in the drawing, TIME neither.
//
// Net is the solver: nodal analysis with Newton's method, backward Euler in time. Its models are as simple as a worst
// case allows; each limit comes from a data sheet, which models.go names.
package circuit
