package circuit

import "fmt"

// Diodes is which of a diode's possible curves a calculation takes.
type Diodes int

const (
	// Cold is the largest forward drop, at 0 °C.
	Cold Diodes = iota
	// Fresh is a small drop at 25 °C with the leakage of 25 °C.
	Fresh
	// Hot is the largest leakage, at 60 °C: the inside of a closed box beside a machine in summer.
	Hot
)

// Celsius is the temperature of this corner.
func (d Diodes) Celsius() float64 { return [...]float64{0, 25, 60}[d] }

// junctionOf is the curve of a named diode.
//
// BAT46 (STMicroelectronics, table 3): at most 0.25 V at 0.1 mA and 0.45 V at 10 mA and 25 °C; leakage at most 0.5 µA
// at 1.5 V and 25 °C, 5 µA at 1.5 V and 7.5 µA at 10 V and 60 °C. A Schottky diode's drop rises by some 1.5 mV for each
// kelvin less (check): 0.29 V at 0 °C. The leakage of a corner is taken as its saturation current, which is also the
// smallest drop that goes with it.
//
// 1N4148 (Vishay): at most 1.0 V at 10 mA; 0.62 to 0.72 V at 5 mA for the 1N4448; 0.45 V at 0.1 mA typically (check).
//
// LED: red 1.6 to 2.2 V, amber 1.7 to 2.3 V, green (GaP, 570 nm) 1.8 to 2.5 V at 4 mA, as makers of 5 mm LEDs have it
// (Kingbright L-53 series; check the bag). A green of 525 nm (InGaN) wants 2.8 to 3.4 V, which a pin does not give.
func junctionOf(model string, d Diodes) (Junction, error) {
	celsius := d.Celsius()
	type drop struct{ volt, ampere, emission float64 }
	known := map[string][3]drop{
		"1N4148": {{0.80, 5e-3, 1.8}, {0.66, 5e-3, 1.8}, {0.58, 5e-3, 1.8}},
		"red":    {{2.2, 4e-3, 2}, {1.9, 4e-3, 2}, {1.6, 4e-3, 2}},
		"amber":  {{2.3, 4e-3, 2}, {2.0, 4e-3, 2}, {1.7, 4e-3, 2}},
		"green":  {{2.5, 4e-3, 2}, {2.1, 4e-3, 2}, {1.8, 4e-3, 2}},
		// PC817 (Sharp, electro-optical characteristics): 1.2 V typically, 1.4 V at most at 20 mA; 1.0 V at 1 mA and 60 °C
		// (check).
		"PC817": {{1.30, 1e-3, 1.7}, {1.10, 1e-3, 1.7}, {0.95, 1e-3, 1.7}},
	}
	switch model {
	case "BAT46":
		return [...]Junction{JunctionOf(0.29, 0.1e-3, 1.1, celsius), {0.5e-6, 1.05, celsius + 273.15}, {7.5e-6, 1.05,
			celsius + 273.15}}[d], nil
	case "BAT85":
		// NXP: at most 0.24 V at 0.1 mA and 2 µA at 25 V and 25 °C. Leakage when hot is a typical curve only (figure 4: some
		// 100 µA at 25 V and 85 °C), so it is taken as 20 µA at 60 °C: ten times in 35 K.
		return [...]Junction{JunctionOf(0.28, 0.1e-3, 1.1, celsius), {2e-6, 1.05, celsius + 273.15}, {20e-6, 1.05, celsius +
			273.15}}[d], nil
	}
	k, ok := known[model]
	if !ok {
		return Junction{}, fmt.Errorf("unknown diode %s", model)
	}
	return JunctionOf(k[d].volt, k[d].ampere, k[d].emission, celsius), nil
}

// Threshold is VGS(th) of a named transistor in V at 250 µA and 25 °C: the least, the most and the gate's leakage in A.
//
// AO3400A (Alpha & Omega, static parameters): 0.65 to 1.45 V; IGSS at most 100 nA at 12 V. A hot transistor begins
// lower, by some 2 mV/K (check): 0.07 V at 60 °C. But 250 µA closes no relay: one of 63 Ω opens, at the latest, under 8
// mA (10 % of 5 V), and the gate must rise by 0.1 V and more for 30 times the current. So the least threshold is a safe
// bound of "open" for a hot one too.
func Threshold(model string) (least, most, leak float64, err error) {
	if model != "AO3400A" {
		return 0, 0, 0, fmt.Errorf("unknown transistor %s", model)
	}
	return 0.65, 1.45, 100e-9, nil
}

// transistorOf is an NPN transistor whose gain is the least or the most of its data sheet.
//
// BC337 (onsemi, hFE at 100 mA and 1 V: 100 to 630 over all groups; VBE(on) at most 1.2 V at 300 mA; ICBO at most 100
// nA).
func transistorOf(model string, d Diodes, strong bool) (Bipolar, error) {
	if model != "BC337" {
		return Bipolar{}, fmt.Errorf("unknown transistor %s", model)
	}
	q := Bipolar{Junction: JunctionOf([...]float64{0.76, 0.70, 0.62}[d], 10e-3, 1, d.Celsius()), Gain: 100, Reverse: 5}
	if strong {
		q.Gain = 630
	}
	return q, nil
}

// clampOf is a bidirectional suppressor: the least and the most breakdown voltage in V, and its resistance in Ω beyond.
//
// P6KE (Littelfuse and Vishay): 12CA 11.4 to 12.6 V at 1 mA, 16.7 V at 36 A, stands off 10.2 V; 39CA 37.1 to 41.0 V,
// 53.9 V at 11.1 A, stands off 33.3 V.
func clampOf(model string) (least, most, ohm float64, err error) {
	switch model {
	case "P6KE12CA":
		return 11.4, 12.6, 0.12, nil
	case "P6KE39CA":
		return 37.1, 41.0, 1.2, nil
	}
	return 0, 0, 0, fmt.Errorf("unknown suppressor %s", model)
}
