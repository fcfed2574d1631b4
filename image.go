package cria

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
)

// Image is a picture as an input of a signature. In the prompt stands "[image 1]" and so
// on, and the picture goes along in [Request.Images]. A model that is no [ImageReader]
// refuses the call; those of package llamacpp are none yet.
type Image struct {
	MIME string // such as "image/png"
	Data []byte // the file
}

// ImageReader is an [LM] that may see images.
type ImageReader interface {
	LM

	// ReadsImages reports whether the model does.
	ReadsImages() bool
}

var errNoImages = errors.New("the model cannot see images: use one that can, or leave the input out if it is optional")

func readsImages(lm LM) bool {
	r, ok := lm.(ImageReader)
	return ok && r.ReadsImages()
}

var imageType = reflect.TypeFor[Image]()

// checkImage reports an image that is none.
func (f Field) checkImage(value any) error {
	if value == nil && f.Optional {
		return nil
	}
	image, ok := value.(Image)
	switch {
	case !ok:
		return fmt.Errorf("want a cria.Image, got %T", value)
	case !strings.HasPrefix(image.MIME, "image/"):
		return fmt.Errorf("want the MIME type of an image, such as image/png, got %q", image.MIME)
	case len(image.Data) == 0:
		return errors.New("the image is empty")
	}
	return nil
}

// withoutImages returns inputs with a text in place of each image, and the images.
func (s *Signature) withoutImages(inputs Example) (Example, []Image) {
	var images []Image
	for _, f := range s.inputs {
		image, ok := inputs[f.Name].(Image)
		if f.Type.Kind != KindImage || !ok {
			continue
		}
		if images == nil {
			inputs = maps.Clone(inputs)
		}
		images = append(images, image)
		inputs[f.Name] = fmt.Sprintf("[image %d]", len(images))
	}
	return inputs, images
}
