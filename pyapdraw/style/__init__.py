"""The styles: what each needs to know of a face, and how it draws; `registry` lists them, `plan` what runs them."""
