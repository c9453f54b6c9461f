package doctor

import (
	"context"
	"fmt"
	"time"

	"portillon/cmd/internal/daemoncmd"
	"portillon/policy"
)

// These constants are limits of the charge pump in firmware-config/charge-pump.svg, as calculated by package
// firmware-config/circuit. Five stray edges or a constant level do not close the relay, the heartbeat closes it, and
// 0.6 s after the last beat the relay is open.
const (
	strayEdges  = 5
	betweenEdge = 2500 * time.Microsecond // interval of the heartbeat's edges, 400 a second
	pumpOpens   = 600 * time.Millisecond
	// contactorMoves is the maximum time in which the relay, K2 and the contactor together switch; the guard has the
	// same limit (relay.contactorTime).
	contactorMoves = 200 * time.Millisecond
	lookEach       = 5 * time.Millisecond
	// dischargeTime is the time after which a pump with one broken R2 is discharged: 2.5 times its time constant of 1.2
	// s.
	dischargeTime = 3 * time.Second
	afterEdges    = 500 * time.Millisecond
	levelHeld     = 2 * time.Second
	beaten        = 2 * time.Second
	mostOpening   = 3 * time.Second
)

// PumpBench is a charge pump with its relay and the feedback contact. No other process may use the pump's line.
type PumpBench interface {
	// Drive sets the level of the line.
	Drive(high bool) error
	// Closed reports whether the contactor is closed, according to the feedback input.
	Closed() bool
	// Stopped reports whether the emergency stop is pressed.
	Stopped() bool
}

// Reaction tells how a pump behaved in the edge test.
type Reaction struct {
	AtRest  bool                 // true: the relay was closed before the test began
	Stopped bool                 // true: the emergency stop was pressed, which ended the test
	Edges   [strayEdges + 1]bool // true: the relay closed after this number of stray edges
	Level   bool                 // true: the relay was closed after the line had been constantly high for two seconds
	Beat    bool                 // true: the relay closed during the heartbeat
	Opened  time.Duration        // time from the heartbeat's last edge until the relay opened
	Stuck   bool                 // true: the relay did not open within three seconds
}

// edgeTest is one run of RunPumpTest.
type edgeTest struct {
	b PumpBench
	r Reaction
}

// RunPumpTest drives a pump's line with stray edges, a level and the heartbeat, and returns the relay's reaction. The
// test takes about 25 s, and sets the line low at the end, even if ctx ends early. The test stops early if the relay is
// closed at rest or the emergency stop is pressed.
func RunPumpTest(ctx context.Context, b PumpBench) (r Reaction, err error) {
	x := &edgeTest{b: b}
	defer func() {
		if low := b.Drive(false); err == nil {
			err = low
		}
	}()
	for _, step := range []func(context.Context) error{x.rest, x.edges, x.level, x.beat} {
		if err := step(ctx); err != nil || x.r.AtRest || x.r.Stopped {
			return x.r, err
		}
	}
	return x.r, nil
}

// watch waits for the time d and observes the contactor. The result ever is true if the contactor was closed at any
// moment, and last is true if it was closed at the end.
func (x *edgeTest) watch(ctx context.Context, d time.Duration) (ever, last bool, err error) {
	for end := time.Now().Add(d); ; {
		last = x.b.Closed()
		ever = ever || last
		x.r.Stopped = x.r.Stopped || x.b.Stopped()
		if !time.Now().Before(end) || x.r.Stopped {
			return ever, last, nil
		}
		if err := sleep(ctx, lookEach); err != nil {
			return ever, last, err
		}
	}
}

// sleep waits for the time d, or until ctx ends; in that case it returns the error of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// rest discharges the pump, and then checks that the relay is open.
func (x *edgeTest) rest(ctx context.Context) error {
	if err := x.b.Drive(false); err != nil {
		return err
	}
	_, last, err := x.watch(ctx, dischargeTime)
	x.r.AtRest = last
	return err
}

// edges sends first one edge, then two edges and so on, each time from rest, and records after how many edges the relay
// closed.
func (x *edgeTest) edges(ctx context.Context) error {
	for n := 1; n <= strayEdges && !x.r.Stopped; n++ {
		for i := range n {
			if err := x.b.Drive(i%2 == 0); err != nil {
				return err
			}
			if err := sleep(ctx, betweenEdge); err != nil {
				return err
			}
		}
		ever, _, err := x.watch(ctx, afterEdges)
		if err != nil {
			return err
		}
		x.r.Edges[n] = ever
		if err := x.discharge(ctx); err != nil {
			return err
		}
	}
	return nil
}

// discharge waits with the line low until the pump is discharged.
func (x *edgeTest) discharge(ctx context.Context) error {
	if err := x.b.Drive(false); err != nil {
		return err
	}
	_, _, err := x.watch(ctx, dischargeTime)
	return err
}

// level keeps the line high and records whether the contactor opens, as it must behind a charge pump.
func (x *edgeTest) level(ctx context.Context) error {
	if err := x.b.Drive(true); err != nil {
		return err
	}
	_, last, err := x.watch(ctx, levelHeld)
	if err != nil {
		return err
	}
	x.r.Level = last
	return x.discharge(ctx)
}

// beat sends the heartbeat, stops the heartbeat while the line is high, and measures how long the contactor then stays
// closed.
func (x *edgeTest) beat(ctx context.Context) error {
	beats := time.NewTicker(betweenEdge)
	defer beats.Stop()
	high := false
	for end := time.Now().Add(beaten); time.Now().Before(end) || !high; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-beats.C:
		}
		high = !high
		if err := x.b.Drive(high); err != nil {
			return err
		}
		if x.b.Stopped() {
			x.r.Stopped = true
			return nil
		}
	}
	x.r.Beat = x.b.Closed()
	if !x.r.Beat {
		return nil
	}
	began := time.Now()
	for x.b.Closed() {
		if x.r.Opened = time.Since(began); x.r.Opened > mostOpening {
			x.r.Stuck = true
			return nil
		}
		if err := sleep(ctx, lookEach); err != nil {
			return err
		}
	}
	x.r.Opened = time.Since(began)
	return nil
}

// firstEdge returns the smallest number of stray edges that closed the relay, or 0.
func (r Reaction) firstEdge() int {
	for n := 1; n <= strayEdges; n++ {
		if r.Edges[n] {
			return n
		}
	}
	return 0
}

// JudgePump returns the findings that follow from a pump's reaction. JudgePump is a pure function: it uses only its
// argument.
func JudgePump(r Reaction) []Finding {
	ill := func(fact, cure policy.Text) Finding { return Finding{"pump", Ill, fact, cure} }
	switch {
	case r.AtRest:
		return []Finding{ill(t("Le contacteur est fermé alors que la broche est au repos",
			"The contactor is closed while the line is at rest"),
			t("Q1 ou K1 est en court-circuit ou collé, K2 ou KM1 est collé, ou le fil de feedback est coupé",
				"Q1 or K1 is shorted or welded, K2 or KM1 is welded, or the feedback wire is broken"))}
	case r.Stopped:
		return []Finding{{"pump", Unknown, t("L’arrêt d’urgence est ouvert : l’essai est interrompu",
			"The emergency stop is open: the test was given up"),
			t("Déverrouiller l’arrêt d’urgence, puis relancer", "Release the emergency stop and run again")}}
	}
	var out []Finding
	if r.Level {
		out = append(out, ill(t("Un niveau fixe ferme le relais : un programme bloqué le laisserait fermé",
			"A level closes the relay: a program that hangs would leave it closed"),
			t("C1 est en court-circuit ou pontée : refaire C1a et C1b", "C1 is shorted or bridged: replace C1a and C1b")))
	}
	if n := r.firstEdge(); n > 0 && !r.Level {
		out = append(out, ill(tf("%d fronts parasites ferment le relais", "%d stray edges close the relay", n),
			t("C1a ou C1b est en court-circuit, C2a ou C2b est coupée, ou les pièces ne sont pas celles du schéma",
				"C1a or C1b is shorted, C2a or C2b is broken, or the parts are not those of the drawing")))
	}
	switch {
	case !r.Beat:
		out = append(out, ill(t("Le battement ne ferme pas le contacteur", "The heartbeat does not close the contactor"),
			t("Vérifier le 5 V et le 24 V, puis R1, C1, D1, D2, Q1, F2 et K1 ; le fil de feedback est peut-être à la masse",
				"Check the 5 V and the 24 V, then R1, C1, D1, D2, Q1, F2 and K1; the feedback wire may touch ground")))
	case r.Stuck && !r.Level:
		out = append(out, ill(t("Le contacteur reste fermé après le dernier battement",
			"The contactor stays closed after the last beat"),
			t("R2a et R2b sont coupées, ou un contact est collé", "R2a and R2b are broken, or a contact is welded")))
	case r.Opened > pumpOpens+contactorMoves && !r.Level:
		out = append(out, ill(tf("Le contacteur s’ouvre %v après le dernier battement, au plus %v attendu",
			"The contactor opens %v after the last beat, want at most %v",
			r.Opened.Round(10*time.Millisecond), pumpOpens+contactorMoves),
			t("R2a ou R2b est coupée, C2 est trop grande, ou la bobine a une simple diode (suppressor.svg)",
				"R2a or R2b is broken, C2 is too large, or the coil has a plain diode (suppressor.svg)")))
	}
	if len(out) > 0 {
		return out
	}
	return []Finding{{"pump", Well, tf("La pompe de charge ne ferme le relais que pour le battement ; il s’ouvre en %v",
		"The charge pump closes the relay for the heartbeat alone; it opens within %v",
		r.Opened.Round(10*time.Millisecond)), policy.Text{}}}
}

// Pump tests the charge pump of c's relay. The function open opens the pump's line. Pump does not run the test, and
// returns a finding with the reason, if the machine.yaml has no pump or no feedback, if a daemon runs, or if nobody has
// confirmed that a lamp is connected in place of the machine.
func Pump(ctx context.Context, c daemoncmd.Config, s System, lamp bool, open func(daemoncmd.Config) (PumpBench, func(),
	error)) []Finding {
	if why := refusePump(ctx, c, s, lamp); why != nil {
		return []Finding{*why}
	}
	b, done, err := open(c)
	if err != nil {
		return []Finding{{"pump", Unknown, tf("La broche du relais ne se laisse pas prendre : %v",
			"The relay’s line cannot be taken: %v", err),
			t("Arrêter le programme qui la tient ; relancer avec sudo", "Stop the program that holds it; run again with sudo")}}
	}
	defer done()
	r, err := RunPumpTest(ctx, b)
	if err != nil {
		return []Finding{{"pump", Unknown, tf("L’essai n’a pas abouti : %v", "The test did not end: %v", err), t("Relancer",
			"Run again")}}
	}
	return JudgePump(r)
}

// refusePump returns the reason why the test must not run, or nil if the test may run.
func refusePump(ctx context.Context, c daemoncmd.Config, s System, lamp bool) *Finding {
	refuse := func(fact, cure policy.Text) *Finding { return &Finding{"pump", Unknown, fact, cure} }
	switch {
	case !c.Relay.Heartbeat:
		return refuse(t("relay: n’a pas « mode: heartbeat » : il n’y a pas de pompe de charge à essayer",
			"relay: has no “mode: heartbeat”: there is no charge pump to test"),
			t("Le câblage avec pompe : charge-pump.svg, mfrc522-contactor.yaml",
				"The wiring with a pump: charge-pump.svg, mfrc522-contactor.yaml"))
	case c.Relay.Feedback == "":
		return refuse(t("relay: n’a pas de « feedback » : rien ne dit si le contacteur a bougé",
			"relay: has no “feedback”: nothing tells whether the contactor moved"),
			t("Câbler les contacts liés de K2 et KM1 (wiring.svg)", "Wire the linked contacts of K2 and KM1 (wiring.svg)"))
	case !lamp:
		return refuse(t("L’essai ferme le contacteur : la machine pourrait démarrer",
			"The test closes the contactor: the machine could start"),
			t("Débrancher la machine, mettre une lampe à sa place, puis ajouter --yes-lamp",
				"Unplug the machine, put a lamp in its place, then add --yes-lamp"))
	}
	if _, err := s.Status(ctx); err == nil {
		return refuse(tf("portillond tourne pour « %s » et tient la broche du relais",
			"portillond runs for “%s” and holds the relay’s line", c.Machine),
			t(fmt.Sprintf("L’arrêter pendant l’essai : sudo systemctl stop portillond@%s", c.Machine),
				fmt.Sprintf("Stop it during the test: sudo systemctl stop portillond@%s", c.Machine)))
	}
	return nil
}
