// Reads token replies from its input as JSON, and writes what golang.org/x/oauth2 makes of each.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"math"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

type reply struct {
	Status      int     `json:"status"`
	ContentType *string `json:"content_type"`
	Body        string  `json:"body"`
}

type reading struct {
	AccessToken  string `json:"access_token,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	TokenType    string `json:"token_type,omitempty"`
	ExpiresIn    *int64 `json:"expires_in"`
	Refused      bool   `json:"refused"`
	Code         string `json:"code,omitempty"`
}

// canned answers each request with the same reply.
type canned struct{ reply reply }

func (c canned) RoundTrip(request *http.Request) (*http.Response, error) {
	header := http.Header{}
	if c.reply.ContentType != nil {
		header.Set("Content-Type", *c.reply.ContentType)
	}
	return &http.Response{
		StatusCode: c.reply.Status,
		Status:     http.StatusText(c.reply.Status),
		Header:     header,
		Body:       io.NopCloser(strings.NewReader(c.reply.Body)),
		Request:    request,
	}, nil
}

func read(reply reply) reading {
	config := oauth2.Config{
		ClientID:     "id",
		ClientSecret: "secret",
		Endpoint:     oauth2.Endpoint{TokenURL: "https://as.example/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	client := &http.Client{Transport: canned{reply}}
	token, err := config.Exchange(context.WithValue(context.Background(), oauth2.HTTPClient, client), "code")
	if err != nil {
		var refused *oauth2.RetrieveError
		if errors.As(err, &refused) {
			return reading{Refused: true, Code: refused.ErrorCode}
		}
		return reading{Refused: true}
	}
	found := reading{AccessToken: token.AccessToken, RefreshToken: token.RefreshToken, TokenType: token.TokenType}
	if !token.Expiry.IsZero() {
		// A part of a second has passed since then.
		left := max(int64(math.Ceil(time.Until(token.Expiry).Seconds())), 0)
		found.ExpiresIn = &left
	}
	return found
}

func main() {
	var replies []reply
	if err := json.NewDecoder(os.Stdin).Decode(&replies); err != nil {
		log.Fatal(err)
	}
	readings := make([]reading, 0, len(replies))
	for _, reply := range replies {
		readings = append(readings, read(reply))
	}
	if err := json.NewEncoder(os.Stdout).Encode(readings); err != nil {
		log.Fatal(err)
	}
}
