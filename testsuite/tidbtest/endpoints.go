package tidbtest

import "strings"

// hostPorts turns PD's client URLs, or addresses without a scheme, separated by commas, into
// host:port,…: what the flags of TiDB and unistore take.
func hostPorts(urls string) string {
	list := strings.Split(urls, ",")
	for i, u := range list {
		u = strings.TrimSpace(u)
		if _, rest, ok := strings.Cut(u, "://"); ok {
			u = rest
		}
		list[i] = strings.TrimSuffix(u, "/")
	}
	return strings.Join(list, ",")
}
