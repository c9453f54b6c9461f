// Package circuit simulates the circuits of the wiring page from the files of the drawings, so that the tested circuit
// cannot differ from the drawn circuit. Only tests import this package.
//
// A drawing (firmware-config/*.svg) contains its netlist in <metadata>, as text. A line "circuit NAME" begins a
// circuit; every other line is a part:
//
//	NAME KIND NODES… VALUE [±N%]
//
//	kind        nodes                               value
//	R, C, FUSE  two                                 470Ω, 0.47µF, 1A; an intact fuse is a wire
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
// The node "gnd" is the reference of all voltages. For each part, one text of the drawing must show the part's name (S0
// for S0.1) together with the part's value, and a text must show the part's tolerance. Otherwise Read rejects the
// drawing. The word of a contact or a load may be in a text without the part's name. The drawing need not show the
// names of V, PIN and TIME.
//
// Net is the solver: it uses nodal analysis with Newton's method, and backward Euler in time. The models of the parts
// have only the details that a worst-case computation needs. models.go names the data sheet of each limit.
package circuit
