package main

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/gopgm/gopgm/pgm/element"
)

// A bad flag gets one line that says what is wrong, and exit status 2.
func TestBadFlags(t *testing.T) {
	for args, want := range map[string]string{
		"":                               "two interfaces",
		"-i a":                           "two interfaces",
		"--repairer -i a -i b":           "one interface",
		"-i a -i b --upstream c":         "--upstream c is none",
		"-i a -i b --listen c":           "--listen c is none",
		"-i a -i b --ttl 0":              "1 to 255",
		"-i a -i b -e [ff02::7]:7500":    "of one link",
		"-i a -i b --query-interval 1ms": "1s to 1h",
		"-i a -i b -e 239.1.1.1:7 -e 239.1.1.1:7":             "there twice",
		"-i a -i b -e pgm://239.1.1.1:7 -e pgm://239.1.1.1:8": "there twice",
		"-i a --leg":                                                      "leg",
		"--leg 10.0.0.1":                                                  "-i INTERFACE --leg HOST",
		"-i a --leg 10.0.0.1:many":                                        `"many" is not a port`,
		"-i a --leg 10.0.0.1 --leg 10.0.0.1":                              "there twice",
		"-i a --leg 10.0.0.1 --upstream 10.0.0.2":                         "--upstream 10.0.0.2 is none",
		"-i a --leg 10.0.0.1 --leg [::1]:7501 --status=":                  "all of one family",
		"-i a --leg 10.0.0.1 --leg 10.0.0.1:7501 --status=":               "where 10.0.0.1 leads, too",
		"-i a --leg 239.0.0.1 --status=":                                  "not the address of a host",
		"-i a --leg 10.0.0.1 --leg-listen here --status=":                 "[ADDRESS:]PORT",
		"-i a --repairer --leg 10.0.0.1":                                  "no legs",
		"-i a -i b --proxy c":                                             "--proxy c is none",
		"-i a --repairer --proxy a":                                       "--proxy a is none",
		"-i a -i b --shed -1":                                             "negative",
		"-i a -i b --forward nobody":                                      "none of kernel, user and auto",
		"-i a -i b --forward kernel":                                      "pgm:// over IPv4",
		"-i a -i b --forward kernel -e pgm://[ff08::1]:7":                 "pgm:// over IPv4",
		"-i a -i b -e eth0;239.1.1.1:7":                                   "-i, not in the endpoint",
		"-i a -i b -e 10.0.0.1:7":                                         "10.0.0.1",
		"-i a -i b operand":                                               "unexpected operand",
		"-i a -i b --nope":                                                "there is no flag --nope",
		"-i a -i b --discover soon":                                       "not a duration",
		"-i nosuch0 -i nosuch1 --listen all --status= --upstream nosuch0": "nosuch0",
	} {
		var out, complaint bytes.Buffer
		status := run(context.Background(), strings.Fields(args), &out, &complaint)
		if status == 0 || !strings.Contains(complaint.String(), want) || out.Len() > 0 {
			t.Errorf("%q: status %d, %q", args, status, complaint.String())
		}
	}
}

// --show says so when nobody answers.
func TestShowWithoutRouter(t *testing.T) {
	var out, complaint bytes.Buffer
	if status := run(context.Background(), []string{"--show", "--status", t.TempDir() + "/none"}, &out, &complaint); status != 1 || !strings.Contains(complaint.String(), "no pgmrouter answers") {
		t.Errorf("status %d, %q", status, complaint.String())
	}
}

// Metrics are lines that Prometheus reads: each family with its help and type before its samples, all counters of the engine among them.
func TestMetrics(t *testing.T) {
	var b strings.Builder
	writeMetrics(&b, []*status{{
		Group:   "epgm://239.0.0.1:7500",
		Links:   []linkStatus{{Name: `odd"name`, Address: netip.MustParseAddr("10.0.0.1"), Listens: true, Sent: 3}},
		Element: &element.Stats{NAKs: 7, Bad: element.Bad{Loop: 2}, Active: 1},
	}, {Group: "epgm://[ff08::1]:7500", Element: &element.Stats{NAKs: 8}}})
	for _, want := range []string{
		"# TYPE pgmrouter_events_total counter\n", `pgmrouter_events_total{group="epgm://239.0.0.1:7500",event="NAKs"} 7` + "\n",
		`pgmrouter_events_total{group="epgm://[ff08::1]:7500",event="NAKs"} 8` + "\n", `pgmrouter_refused_total{group="epgm://239.0.0.1:7500",cause="Loop"} 2` + "\n",
		`pgmrouter_sessions{group="epgm://239.0.0.1:7500"} 1` + "\n", `pgmrouter_link_sent_total{group="epgm://239.0.0.1:7500",link="odd\"name"} 3` + "\n", `pgmrouter_link_listens{group="epgm://239.0.0.1:7500",link="odd\"name"} 1` + "\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	seen := map[string]bool{}
	for line := range strings.Lines(b.String()) {
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE "), " ")
		name, _, _ = strings.Cut(name, "{")
		if strings.HasPrefix(line, "# TYPE") {
			if seen[name] {
				t.Errorf("a family in two pieces: %s", line)
			}
			seen[name] = true
		} else if !strings.HasPrefix(line, "#") && !seen[name] {
			t.Errorf("a sample before its type: %s", line)
		}
	}
}
