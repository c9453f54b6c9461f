package circuit

import "fmt"

// Diodes selects one of the possible curves of a diode.
type Diodes int

const (
	// Cold selects a diode's largest forward drop, at 0 °C.
	Cold Diodes = iota
	// Fresh selects a small forward drop and the leakage at 25 °C.
	Fresh
	// Hot selects a diode's largest leakage, at 60 °C: the temperature in a closed box at a machine in summer.
	Hot
)

// Celsius returns the temperature of this corner.
func (d Diodes) Celsius() float64 { return [...]float64{0, 25, 60}[d] }

// junctionOf returns the curve of a diode by its type.
//
// A BAT46 (STMicroelectronics, table 3) has at most 0.25 V at 0.1 mA and 0.45 V at 10 mA and 25 °C. Its leakage is at
// most 0.5 µA at 1.5 V and 25 °C, 5 µA at 1.5 V and 7.5 µA at 10 V and 60 °C. A Schottky diode's drop rises by about
// 1.5 mV for each kelvin below 25 °C: 0.29 V at 0 °C. The model uses the leakage of a corner as the diode's saturation
// current, which also gives the smallest forward drop that matches this leakage.
//
// A 1N4148 (Vishay) has at most 1.0 V at 10 mA, and typically 0.45 V at 0.1 mA. A 1N4448 has 0.62 to 0.72 V at 5 mA.
//
// At 4 mA, a red LED has 1.6 to 2.2 V, an amber LED 1.7 to 2.3 V, and a green LED (GaP, 570 nm) 1.8 to 2.5 V, according
// to makers of 5 mm LEDs (Kingbright L-53 series). A green LED of 525 nm (InGaN) needs 2.8 to 3.4 V, which a pin does
// not deliver.
func junctionOf(model string, d Diodes) (Junction, error) {
	celsius := d.Celsius()
	type drop struct{ volt, ampere, emission float64 }
	known := map[string][3]drop{
		"1N4148": {{0.80, 5e-3, 1.8}, {0.66, 5e-3, 1.8}, {0.58, 5e-3, 1.8}},
		"red":    {{2.2, 4e-3, 2}, {1.9, 4e-3, 2}, {1.6, 4e-3, 2}},
		"amber":  {{2.3, 4e-3, 2}, {2.0, 4e-3, 2}, {1.7, 4e-3, 2}},
		"green":  {{2.5, 4e-3, 2}, {2.1, 4e-3, 2}, {1.8, 4e-3, 2}},
		// The LED of a PC817 has typically 1.2 V and at most 1.4 V at 20 mA, and 1.0 V at 1 mA and 60 °C (Sharp,
		// electro-optical characteristics; not verified in the data sheet).
		"PC817": {{1.30, 1e-3, 1.7}, {1.10, 1e-3, 1.7}, {0.95, 1e-3, 1.7}},
	}
	switch model {
	case "BAT46":
		return [...]Junction{JunctionOf(0.29, 0.1e-3, 1.1, celsius), {0.5e-6, 1.05, celsius + 273.15}, {7.5e-6, 1.05,
			celsius + 273.15}}[d], nil
	case "BAT85":
		// A BAT85 (NXP) has at most 0.24 V at 0.1 mA, and a leakage of at most 2 µA at 25 V and 25 °C. For a hot diode the
		// data sheet has only a typical curve (figure 4: about 100 µA at 25 V and 85 °C). Therefore the model uses ten times
		// the leakage of 25 °C: 20 µA at 60 °C.
		return [...]Junction{JunctionOf(0.28, 0.1e-3, 1.1, celsius), {2e-6, 1.05, celsius + 273.15}, {20e-6, 1.05, celsius +
			273.15}}[d], nil
	}
	k, ok := known[model]
	if !ok {
		return Junction{}, fmt.Errorf("no model of the diode %s", model)
	}
	return JunctionOf(k[d].volt, k[d].ampere, k[d].emission, celsius), nil
}

// Threshold returns the smallest and largest VGS(th) of a transistor in V at 250 µA and 25 °C, and the gate's leakage
// in A.
//
// An AO3400A (Alpha & Omega, static parameters) has a threshold of 0.65 to 1.45 V and a leakage IGSS of at most 100 nA
// at 12 V. The threshold of a hot transistor is lower, by about 2 mV/K: 0.07 V at 60 °C. But 250 µA does not close a
// relay: a relay with a coil of 63 Ω opens at the latest below 8 mA (10 % of 5 V), and a current of 8 mA needs 0.1 V or
// more above the threshold at the gate. A gate voltage below the smallest threshold therefore opens the relay even if
// the transistor is hot.
func Threshold(model string) (least, most, leak float64, err error) {
	if model != "AO3400A" {
		return 0, 0, 0, fmt.Errorf("no model of the transistor %s", model)
	}
	return 0.65, 1.45, 100e-9, nil
}

// transistorOf returns an NPN transistor with the smallest or largest gain of its data sheet.
//
// A BC337 (onsemi) has a gain hFE of 100 to 630 over all groups at 100 mA and 1 V. VBE(on) is at most 1.2 V at 300 mA,
// and ICBO at most 100 nA.
func transistorOf(model string, d Diodes, strong bool) (Bipolar, error) {
	if model != "BC337" {
		return Bipolar{}, fmt.Errorf("no model of the transistor %s", model)
	}
	q := Bipolar{Junction: JunctionOf([...]float64{0.76, 0.70, 0.62}[d], 10e-3, 1, d.Celsius()), Gain: 100, Reverse: 5}
	if strong {
		q.Gain = 630
	}
	return q, nil
}

// clampOf returns a bidirectional suppressor's smallest and largest breakdown voltage in V, and its resistance above
// the breakdown voltage in Ω.
//
// The values of P6KE suppressors are from Littelfuse and Vishay. A P6KE12CA has 11.4 to 12.6 V at 1 mA, 16.7 V at 36 A,
// and a stand-off voltage of 10.2 V. A P6KE39CA has 37.1 to 41.0 V at 1 mA, 53.9 V at 11.1 A, and a stand-off voltage
// of 33.3 V.
func clampOf(model string) (least, most, ohm float64, err error) {
	switch model {
	case "P6KE12CA":
		return 11.4, 12.6, 0.12, nil
	case "P6KE39CA":
		return 37.1, 41.0, 1.2, nil
	}
	return 0, 0, 0, fmt.Errorf("no model of the suppressor %s", model)
}
