// Package secret keeps passwords out of sight: encrypted in configurations, in the form of upstream's programs, and masked in
// what is logged or shown.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
)

// KeyVar is the environment variable with the key of passwords in configurations:
// 16, 24 or 32 bytes in hexadecimal.
const KeyVar = "BINLOG_SECRET_KEY"

// defaultKey is the key that every upstream installation shares unless KeyVar names
// another: it hides a password from a glance, no more.
const defaultKey = "a529b7665997f043a30ac8fadcb51d6aa032c226ab5b7750530b12b8c1a16a48"

// Encrypt gives a text in upstream's form: base64 of a random IV, "@", and the text under
// AES-CFB. hexKey is the value of [KeyVar]; with "" it is the key that everybody has.
func Encrypt(hexKey, text string) (string, error) {
	block, err := secretCipher(hexKey)
	if err != nil {
		return "", err
	}
	buf := make([]byte, aes.BlockSize+1+len(text))
	iv := buf[:aes.BlockSize]
	if _, err := rand.Read(iv); err != nil {
		return "", fmt.Errorf("get random bytes: %w", err)
	}
	buf[aes.BlockSize] = '@'
	//lint:ignore SA1019 the mode is upstream's, old drainers decrypt nothing else
	cipher.NewCFBEncrypter(block, iv).XORKeyStream(buf[aes.BlockSize+1:], []byte(text))
	return base64.StdEncoding.EncodeToString(buf), nil
}

// Decrypt gives the text that [Encrypt] was given. A wrong key is not noticed: it gives
// another text. Errors hold nothing of the text or the key.
func Decrypt(hexKey, encrypted string) (string, error) {
	block, err := secretCipher(hexKey)
	if err != nil {
		return "", err
	}
	b, err := base64.StdEncoding.DecodeString(encrypted)
	if err != nil || len(b) < aes.BlockSize+1 || b[aes.BlockSize] != '@' {
		return "", errors.New("this is not what binlogctl -cmd encrypt prints")
	}
	text := b[aes.BlockSize+1:]
	//lint:ignore SA1019 the mode is upstream's
	cipher.NewCFBDecrypter(block, b[:aes.BlockSize]).XORKeyStream(text, text)
	return string(text), nil
}

// Password gives the plain password of a configuration, or the text of the encrypted one, which wins where it is not "", under
// the key in the environment. Errors name its key in the configuration and have nothing of either.
func Password(plain, key, encrypted string) (string, error) {
	if encrypted == "" {
		return plain, nil
	}
	text, err := Decrypt(os.Getenv(KeyVar), encrypted)
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	return text, nil
}

func secretCipher(hexKey string) (cipher.Block, error) {
	if hexKey == "" {
		hexKey = defaultKey
	}
	key, err := hex.DecodeString(hexKey)
	if err != nil {
		return nil, errors.New(KeyVar + " is not hexadecimal")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("%s holds %d bytes: it must be 16, 24 or 32", KeyVar, len(key))
	}
	return block, nil
}
