package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// defaultKey is the key that every installation of the field shares unless
// BINLOG_SECRET_KEY names another: it hides a password from a glance, no more.
const defaultKey = "a529b7665997f043a30ac8fadcb51d6aa032c226ab5b7750530b12b8c1a16a48"

// encrypt prints -text in the form drainers take as an encrypted password: base64 of a
// random IV, "@", and the text under AES-CFB.
func encrypt(_ context.Context, o options, stdout, stderr io.Writer) error {
	if o.text == "" {
		return errors.New("-cmd encrypt needs -text")
	}
	hexKey := os.Getenv("BINLOG_SECRET_KEY")
	if hexKey == "" {
		hexKey = defaultKey
		fmt.Fprintln(stderr, "binlogctl: encrypting with the key that everybody has; set BINLOG_SECRET_KEY (hexadecimal, 16, 24 or 32 bytes) here and for the drainer to use your own")
	}
	out, err := encryptText(hexKey, o.text)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, out)
	return err
}

func encryptText(hexKey, text string) (string, error) {
	key, err := hex.DecodeString(hexKey)
	if err != nil {
		return "", errors.New("BINLOG_SECRET_KEY is not hexadecimal")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", fmt.Errorf("BINLOG_SECRET_KEY holds %d bytes: it must be 16, 24 or 32", len(key))
	}
	buf := make([]byte, aes.BlockSize+1+len(text))
	iv := buf[:aes.BlockSize]
	if _, err := rand.Read(iv); err != nil {
		return "", fmt.Errorf("get random bytes: %w", err)
	}
	buf[aes.BlockSize] = '@'
	//lint:ignore SA1019 the mode is the field's, old drainers decrypt nothing else
	cipher.NewCFBEncrypter(block, iv).XORKeyStream(buf[aes.BlockSize+1:], []byte(text))
	return base64.StdEncoding.EncodeToString(buf), nil
}
