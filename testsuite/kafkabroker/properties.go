package kafkabroker

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// configure writes the node's server.properties.
func (n *Node) configure() {
	c := n.cluster
	var voters []string
	for _, m := range c.Nodes {
		voters = append(voters, fmt.Sprintf("%d@%s", m.ID, m.control))
	}
	set := map[string]string{
		"process.roles": "broker,controller", "node.id": fmt.Sprint(n.ID),
		"controller.quorum.voters": strings.Join(voters, ","), "controller.listener.names": "CONTROLLER",
		"inter.broker.listener.name": "ADMIN",
		"log.dirs":                   n.logDir(), "metadata.log.dir": filepath.Join(n.Dir, "metadata"),
		"offsets.topic.replication.factor": fmt.Sprint(c.opts.Nodes), "offsets.topic.num.partitions": "1",
		"transaction.state.log.replication.factor": fmt.Sprint(c.opts.Nodes), "transaction.state.log.min.isr": fmt.Sprint(min(2, c.opts.Nodes)),
		// Small, for a machine with other things to do.
		"num.network.threads": "2", "num.io.threads": "2", "background.threads": "2", "log.cleaner.dedupe.buffer.size": "2097152",
	}
	listeners := []string{"CONTROLLER://" + n.control, "ADMIN://" + n.admin}
	protocols := []string{"CONTROLLER:PLAINTEXT", "ADMIN:PLAINTEXT"}
	for _, protocol := range c.opts.Listeners {
		name := "FOR_" + protocol
		listeners = append(listeners, name+"://"+n.addrs[protocol])
		protocols = append(protocols, name+":"+protocol)
		for key, value := range n.secured(protocol) {
			set["listener.name."+strings.ToLower(name)+"."+key] = value
		}
	}
	set["listeners"], set["advertised.listeners"] = strings.Join(listeners, ","), strings.Join(listeners[1:], ",")
	set["listener.security.protocol.map"] = strings.Join(protocols, ",")
	maps.Copy(set, c.opts.Settings)
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(set)) {
		fmt.Fprintf(&text, "%s=%s\n", key, set[key])
	}
	if err := os.WriteFile(n.properties(), []byte(text.String()), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// secured are the settings of a listener.
func (n *Node) secured(protocol string) map[string]string {
	set := make(map[string]string)
	if protocol == TLS || protocol == SASLTLS {
		keys, cas := n.pem()
		maps.Copy(set, map[string]string{"ssl.keystore.type": "PEM", "ssl.keystore.location": keys,
			"ssl.truststore.type": "PEM", "ssl.truststore.location": cas})
	}
	if protocol == TLS {
		set["ssl.client.auth"] = "required"
	}
	if protocol == SASLPlaintext || protocol == SASLTLS {
		plain := "org.apache.kafka.common.security.plain.PlainLoginModule required"
		for user, password := range n.cluster.opts.Users {
			plain += fmt.Sprintf(" user_%s=%q", user, password)
		}
		const scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
		maps.Copy(set, map[string]string{
			"sasl.enabled.mechanisms":        "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
			"plain.sasl.jaas.config":         plain + ";",
			"scram-sha-256.sasl.jaas.config": scram,
			"scram-sha-512.sasl.jaas.config": scram,
			"oauthbearer.sasl.jaas.config":   `org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
		})
	}
	return set
}

// logDir is where the node keeps messages.
func (n *Node) logDir() string {
	if n.ID == 1 && n.cluster.opts.LogDir != "" {
		return filepath.Join(n.cluster.opts.LogDir, "messages")
	}
	return filepath.Join(n.Dir, "messages")
}
