// Tells a Gatewright gateway's requests from everybody else's; nothing but Go's standard library.
//
//	http.ListenAndServe("127.0.0.1:9001", FromGateway(secrets, 60*time.Second, mux))
//
// Behind it, the identity fields (X-Client-Subject and so on) in a request's header are the gateway's word.
package main

import (
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

var covered = []string{
	"Client-Cert", "X-Client-Subject", "X-Client-Issuer", "X-Client-Serial", "X-Client-Not-After", "X-Client-DNS",
	"X-Client-Email", "X-Forwarded-Client-Cert", "X-SSL-Client-Cert", "X-SSL-Client-Verify", "X-SSL-Client-S-DN",
	"X-SSL-Client-I-DN", "X-SSL-Client-Serial", "X-Basic-User", "X-Token-Subject",
}

var wholeSecret = regexp.MustCompile(`^[0-9a-f]{128}$`)
var digits = regexp.MustCompile(`^[0-9]{10,18}$`)

// ReadSecrets reads the file that the gateway made: one secret a line.
func ReadSecrets(path string) ([]string, error) {
	content, err := os.ReadFile(path)
	var secrets []string
	for _, line := range strings.Split(string(content), "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			secrets = append(secrets, line)
		}
	}
	return secrets, err
}

func sum(text string) string {
	digest := sha1.Sum([]byte(text))
	return hex.EncodeToString(digest[:])
}

// FromGateway answers 403 to whatever was not signed with one of the secrets, recently, and for this very request.
// It panics where there is no secret, or one that is none.
func FromGateway(secrets []string, window time.Duration, next http.Handler) http.Handler {
	if len(secrets) == 0 {
		panic("no secret")
	}
	for _, secret := range secrets {
		if !wholeSecret.MatchString(secret) {
			panic("a secret is 128 hexadecimal digits in lower case")
		}
	}
	var lock sync.Mutex
	seen := map[string]time.Time{}
	swept := time.Now()
	first := func(request string, now time.Time) bool {
		lock.Lock()
		defer lock.Unlock()
		if now.Sub(swept) > window {
			for known, until := range seen {
				if now.After(until) {
					delete(seen, known)
				}
			}
			swept = now
		}
		if _, there := seen[request]; there {
			return false
		}
		seen[request] = now.Add(2 * window)
		return true
	}
	return http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		if !signed(secrets, window, r) || !first(r.Header.Get("X-Gateway-Request"), time.Now()) {
			http.Error(answer, `{"error": "not_from_the_gateway"}`, http.StatusForbidden)
			return
		}
		next.ServeHTTP(answer, r)
	})
}

func signed(secrets []string, window time.Duration, r *http.Request) bool {
	single := true
	value := func(name string) string {
		values := r.Header.Values(name)
		if len(values) > 1 { // sent twice: one of the two is not the gateway's
			single = false
		}
		return strings.Join(values, "")
	}
	when, request, signature := value("X-Gateway-Time"), value("X-Gateway-Request"), value("X-Gateway-Signature")
	parts := []string{"gatewright-1", when, request, r.Method, value("X-Forwarded-Host"), value("X-Forwarded-For"), r.RequestURI}
	for _, name := range covered {
		parts = append(parts, value(name))
	}
	for _, part := range parts {
		for i := 0; i < len(part); i++ {
			if part[i] < 0x21 { // with a blank in it, a message could be read in two ways
				return false
			}
		}
	}
	target := value("X-Gateway-Target") // the application may read either
	if !single || target != r.RequestURI || request == "" || !digits.MatchString(when) {
		return false
	}
	message, good := strings.Join(parts, " "), 0
	given := strings.Split(signature, ",")
	given = given[:min(len(given), 4)]
	for _, secret := range secrets {
		wanted := sum(secret[64:] + sum(secret[:64]+message))
		for _, one := range given {
			good |= subtle.ConstantTimeCompare([]byte(one), []byte("v1="+wanted))
		}
	}
	micros, err := strconv.ParseInt(when, 10, 64)
	age := time.Since(time.UnixMicro(micros))
	return good == 1 && err == nil && age.Abs() <= window
}
