//go:build linux

package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// system is who is measured: a program that is a member, and what must run beside it on its host.
type system struct {
	name string
	// member is the program with its arguments.
	member func(l load) []string
	// beside starts what else a host needs; nil: nothing.
	beside func(n *network, host int) (*exec.Cmd, error)
	// settle is for how long a group of its hosts is left alone after it was formed.
	settle time.Duration
}

// ours is package vsync: this program.
func ours() (system, error) {
	self, err := os.Executable()
	return system{name: "vsync", member: func(l load) []string {
		return append([]string{self}, l.args()...)
	}}, err
}

//go:embed cpg/cpg.c
var cpgSource []byte

// corosync returns Corosync's CPG: a daemon on each host, with its defaults but for what extra says of totem, and a program over libcpg. It
// keeps its files in dir. What the machine lacks is the error.
func corosync(ctx context.Context, dir, name, extra string, hosts int) (system, error) {
	for _, tool := range []string{"corosync", "cc"} {
		if _, err := exec.LookPath(tool); err != nil {
			return system{}, err
		}
	}
	source, binary := filepath.Join(dir, "cpg.c"), filepath.Join(dir, "cpg")
	if err := os.WriteFile(source, cpgSource, 0o600); err != nil {
		return system{}, err
	}
	if out, err := exec.CommandContext(ctx, "cc", "-O2", "-o", binary, source, "-lcpg").CombinedOutput(); err != nil {
		return system{}, fmt.Errorf("libcpg-dev: %w: %s", err, out)
	}
	var nodes strings.Builder
	for i := range hosts {
		fmt.Fprintf(&nodes, "node {\nring0_addr: %s\nnodeid: %d\nname: h%d\n}\n", address(i), i+1, i)
	}
	return system{
		name: name,
		member: func(l load) []string {
			if l.rejoin {
				return []string{binary, "watch"}
			}
			safe := 0
			if l.safe {
				safe = 1
			}
			return []string{binary, "load", fmt.Sprint(l.index), fmt.Sprint(l.members), fmt.Sprint(l.senders), fmt.Sprint(l.size), fmt.Sprint(l.rate),
				fmt.Sprint(l.time.Milliseconds()), fmt.Sprint(safe)}
		},
		beside: func(n *network, host int) (*exec.Cmd, error) {
			path := filepath.Join(dir, fmt.Sprintf("%s.%d.conf", strings.ReplaceAll(name, " ", "-"), host))
			// No encryption, as we have none; without real-time priority, as all that is measured here.
			conf := fmt.Sprintf("totem {\nversion: 2\ncluster_name: lab\ntransport: knet\ncrypto_cipher: none\ncrypto_hash: none\n%s}\n"+
				"nodelist {\n%s}\nsystem {\nsched_rr: no\n}\nlogging {\nto_syslog: no\nto_stderr: no\nto_logfile: yes\nlogfile: %s.log\n}\n", extra, nodes.String(), path)
			if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
				return nil, err
			}
			c := n.command(host, "corosync", "-f", "-c", path)
			c.Stderr = nil
			return c, c.Start()
		},
		settle: 500 * time.Millisecond,
	}, nil
}

// cluster is the hosts of a system with what runs on them beside members.
type cluster struct {
	system
	n       *network
	daemons []*exec.Cmd
	started func(members []*exec.Cmd) // is told when together has started them, if not nil
}

func newCluster(s system, n *network, hosts int) (*cluster, error) {
	c := &cluster{system: s, n: n, daemons: make([]*exec.Cmd, len(n.hosts))}
	for i := range hosts {
		if err := c.boot(i); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// boot starts what host i needs beside its member.
func (c *cluster) boot(i int) (err error) {
	if c.beside != nil {
		c.daemons[i], err = c.beside(c.n, i)
	}
	return err
}

// halt kills it.
func (c *cluster) halt(i int) {
	if c.daemons[i] != nil {
		end(c.daemons[i])
		c.daemons[i] = nil
	}
}

func (c *cluster) close() {
	for i := range c.daemons {
		c.halt(i)
	}
}
