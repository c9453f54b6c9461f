// Command broker attacks the MQTT broker of a site and checks that other machines can still work. The attacks use the
// account of one machine. They send packets around and far above the size limit, publish 10 MB on every topic, flood
// the broker, open 1,000 connections and use client ids of other accounts. During the attacks, two other machines
// send records and wait until the hub acknowledges them. The command also starts the hub and kills it many times.
//
//	go run ./.ci/broker [-short] [-broker inside,mosquitto]
//
// The command prints its measurements. The command fails if records of the other machines are lost, if the broker
// stores more data than its limits permit, or if the hub uses more than 60 MB of memory after the attacks. Without
// -short, the command also fails if the other machines wait more than twice as long as without the attack. For each
// kind of attack, the command takes the median ratio of five pairs of runs. mosquitto has no limit on bytes per
// second, so for mosquitto the command only prints the ratios. All processes listen only on the loopback interface
// and write only below a temporary folder.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"portillon/hub"
)

// If this program runs as a hub, the environment variable named hubFile contains the path of hub.yaml.
const hubFile = "PORTILLON_CAMPAIGN_HUB"

// plan is the size of a campaign of attacks.
type plan struct {
	pairs, starts int           // number of pairs of runs for each attack, and how often the hub is started
	run           time.Duration // duration of one run; a pair is one run without the attack and one run with it
	gate          bool          // true: the campaign fails if the ratio of the medians is above the limit
	only          string        // only attacks whose names contain this text run; empty: all attacks run
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if path := os.Getenv(hubFile); path != "" {
		os.Exit(beHub(ctx, path))
	}
	short := flag.Bool("short", false, "a sample of at most 40 s; time ratios are printed, not judged")
	brokers := flag.String("broker", "inside,mosquitto", "brokers to attack, separated by commas")
	only := flag.String("only", "", "only the attacks with this word in their name")
	flag.Parse()
	p := plan{pairs: 5, starts: 500, run: 4 * time.Second, gate: true}
	if *short {
		p = plan{pairs: 1, starts: 10, run: time.Second}
	}
	p.only = *only
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	failed := 0
	for _, kind := range strings.Split(*brokers, ",") {
		c := &campaign{plan: p, kind: kind}
		if err := c.all(ctx); err != nil {
			c.fail("%v", err)
		}
		failed += c.failed
	}
	if failed > 0 {
		fmt.Printf("%d failed\n", failed)
		os.Exit(1)
	}
	fmt.Println("0 failed")
}

// beHub runs this program as a hub and returns the exit code.
func beHub(ctx context.Context, path string) int {
	c, err := hub.ReadConfig(path)
	if err == nil {
		if err = hub.Run(ctx, c, hub.Options{}); ctx.Err() != nil {
			err = nil
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// campaign is a series of attacks on one kind of broker.
type campaign struct {
	plan
	kind   string // inside or mosquitto
	failed int    // number of failures
	site   *site  // the site under attack
	peak   uint64 // largest size of the data stored at the hub's own broker so far, in bytes
}

// say prints a line with the broker's name.
func (c *campaign) say(format string, a ...any) {
	fmt.Printf("%-10s %s\n", c.kind, fmt.Sprintf(format, a...))
}

// fail prints a failure and counts it.
func (c *campaign) fail(format string, a ...any) {
	c.failed++
	c.say("FAILED "+format, a...)
}

// all runs the whole campaign against one kind of broker.
func (c *campaign) all(ctx context.Context) error {
	s, err := newSite(c.kind)
	if err != nil {
		return err
	}
	c.site = s
	defer s.close()
	if err := s.startBroker(); err != nil {
		return err
	}
	// The hub runs in its own process, so that its memory can be measured.
	h, err := s.startHub(ctx)
	if err != nil {
		return err
	}
	defer h.kill()
	if err := c.compare(ctx); err != nil {
		return err
	}
	if err := c.checkAfterwards(ctx, h); err != nil {
		return err
	}
	h.kill()
	return c.restarts(ctx)
}

// compare measures the same work without each attack and with it, and checks that no record of the other machines is
// lost.
func (c *campaign) compare(ctx context.Context) error {
	others := make([]*other, 0, 2)
	for _, id := range victims {
		o, err := c.site.startOther(ctx, id)
		if err != nil {
			return err
		}
		defer o.stop()
		others = append(others, o)
	}
	a := &attacker{site: c.site}
	for _, x := range a.attacks() {
		if !strings.Contains(x.name, c.only) {
			continue
		}
		if err := c.pairsOf(ctx, a, x, others); err != nil {
			return err
		}
	}
	c.say("%s", a.String())
	for _, o := range others {
		if n := o.lost.Load(); n > 0 {
			c.fail("%s lost its connection %d times; no attack may cut others off", o.id, n)
		}
		var held uint64
		for end := time.Now().Add(time.Minute); time.Now().Before(end) && held < o.journal.Len() &&
			ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
			var err error
			if held, err = c.site.recordsAtHub(o.id); err != nil {
				return err
			}
		}
		c.say("%s: %d records written, %d held by the hub, %d late, %d connections lost", o.id, o.journal.Len(), held,
			o.late.Load(), o.lost.Load())
		if n := o.late.Load(); n > 0 && c.kind == "inside" {
			c.fail("%d records of %s took longer than %v", n, o.id, patience)
		}
		if held != o.journal.Len() {
			c.fail("hub holds %d of %d records of %s", held, o.journal.Len(), o.id)
		}
	}
	return nil
}

// pairsOf measures one kind of attack in pairs of runs: first the work without the attack, then the same work with
// it.
func (c *campaign) pairsOf(ctx context.Context, a *attacker, x attack, others []*other) error {
	var ratios []float64
	var calm, rough []time.Duration
	for range c.pairs {
		without, err := measure(ctx, others, c.run)
		if err != nil {
			return err
		}
		// Run the attack repeatedly during the second run of a pair.
		storm, end := context.WithCancel(ctx)
		wait := a.start(storm, x)
		with, err := measure(ctx, others, c.run)
		if c.kind == "inside" {
			err = errors.Join(err, c.checkStored(false))
		}
		end()
		wait()
		if err != nil {
			return err
		}
		ratios = append(ratios, float64(median(with))/float64(median(without)))
		calm, rough = append(calm, without...), append(rough, with...)
	}
	slices.Sort(ratios)
	r := ratios[len(ratios)/2]
	c.say("%s: publish to acknowledgement, median %v without, %v with; ratio over %d pairs %.2f; slowest of %d with: %v",
		x.name,
		median(calm).Round(10*time.Microsecond), median(rough).Round(10*time.Microsecond), c.pairs, r,
		len(rough), slices.Max(rough).Round(time.Millisecond))
	if c.gate && c.kind == "inside" && r > 2 {
		c.fail("%s: others waited %.2f times as long, at most 2 is allowed", x.name, r)
	}
	return nil
}

// median sorts the durations and returns the middle one.
func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// maxResident is the largest allowed resident memory of the hub after the attacks, in bytes.
const maxResident = 60 << 20

// checkAfterwards checks the hub's memory and the messages that the broker has stored after the attacks.
func (c *campaign) checkAfterwards(ctx context.Context, h *process) error {
	var resident int64
	// wait, because the Go runtime returns memory to the system only gradually
	for end := time.Now().Add(20 * time.Second); ; {
		var err error
		if resident, err = h.resident(); err != nil {
			return err
		}
		if resident <= maxResident || time.Now().After(end) || ctx.Err() != nil {
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	c.say("hub resident afterwards: %.1f MB", float64(resident)/1e6)
	if resident > maxResident {
		c.fail("hub's resident memory is %.1f MB, at most %.1f are allowed", float64(resident)/1e6, maxResident/1e6)
	}
	if c.site.broker != nil {
		size, err := c.site.broker.resident()
		c.say("mosquitto resident afterwards: %.1f MB", float64(size)/1e6)
		return err
	}
	return c.checkStored(true)
}
