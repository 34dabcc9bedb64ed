// A Go program that takes a token as Microsoft's page shows it: net/http, the query by url.Values,
// encoding/json into a struct. (The page's own lines overwrite the query, so that api-version is
// never sent, and don't look at the status; here both are put right.)
//
//	token [PATH [keep|new INTERVAL_MS COUNT]]
//
// Without PATH it prints the token; with it, the file is replaced; with an interval, again and again.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"
)

type answer struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   string `json:"expires_in"`
	ExpiresOn   string `json:"expires_on"`
	NotBefore   string `json:"not_before"`
	Resource    string `json:"resource"`
	TokenType   string `json:"token_type"`
}

func ask(client *http.Client, resource string) (string, error) {
	endpoint, err := url.Parse("http://169.254.169.254/metadata/identity/oauth2/token")
	if err != nil {
		return "", err
	}
	query := url.Values{}
	query.Set("api-version", "2018-02-01")
	query.Set("resource", resource)
	endpoint.RawQuery = query.Encode()
	request, err := http.NewRequest("GET", endpoint.String(), nil)
	if err != nil {
		return "", err
	}
	request.Header.Add("Metadata", "true")
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("HTTP status %d", response.StatusCode)
	}
	var got answer
	if err := json.Unmarshal(body, &got); err != nil {
		return "", err
	}
	return got.AccessToken, nil
}

func publish(path, token string) error {
	temporary := path + ".tmp"
	if err := os.WriteFile(temporary, []byte(token), 0600); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

func turn(client *http.Client, resource string) error {
	token, err := ask(client, resource)
	if err != nil {
		return err
	}
	if len(os.Args) < 2 {
		_, err = fmt.Print(token)
		return err
	}
	return publish(os.Args[1], token)
}

func main() {
	resource, interval, count := "https://go.example/", 0, 1
	client := &http.Client{Timeout: 10 * time.Second}
	if len(os.Args) > 4 {
		interval, _ = strconv.Atoi(os.Args[3])
		count, _ = strconv.Atoi(os.Args[4])
		resource = "https://go-" + os.Args[2] + ".example/"
		client.Transport = &http.Transport{DisableKeepAlives: os.Args[2] == "new"}
	}
	for turns := 1; ; turns++ {
		if err := turn(client, resource); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if turns == count {
			return
		}
		time.Sleep(time.Duration(interval) * time.Millisecond)
	}
}
