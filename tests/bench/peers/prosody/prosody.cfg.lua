-- Prosody 0.12 baseline: Debian's default module set minus rate limits, plus mam, offline
-- (offline is on by default), smacks, carbons, ping. Loopback only, plain text allowed so that
-- TLS cost can be measured apart.
run_as_root = true
pidfile = "@DATA@/prosody.pid"
data_path = "@DATA@/data"
interfaces = { "127.0.0.1" }
c2s_ports = { 15222 }
c2s_direct_tls_ports = { 15223 }
s2s_ports = {}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
modules_enabled = {
	"disco", "roster", "saslauth", "tls", "blocklist", "bookmarks", "carbons", "pep", "private",
	"smacks", "vcard4", "vcard_legacy", "csi_simple", "ping", "time", "uptime", "version", "mam",
	"offline", "posix",
}
modules_disabled = { "s2s" }
authentication = "internal_hashed"
storage = "internal"
archive_expires_after = "1w"
default_archive_policy = true
ssl = { certificate = "@CERT@/cert.pem", key = "@CERT@/key.pem" }
c2s_direct_tls_ssl = ssl
log = { { levels = { min = "warn" }, to = "file", filename = "@DATA@/prosody.log" } }
network_settings = { tcp_backlog = 1024 }
VirtualHost "localhost"
