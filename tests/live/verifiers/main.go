package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"
)

// Tells who it believes the client to be.
func main() {
	secrets, err := ReadSecrets(os.Args[2])
	if err != nil {
		panic(err)
	}
	who := http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		subject, _ := url.PathUnescape(r.Header.Get("X-Client-Subject"))
		if subject == "" {
			subject = "nobody"
		}
		fmt.Fprint(answer, subject)
	})
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], FromGateway(secrets, 60*time.Second, who)))
}
