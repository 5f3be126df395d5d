"""Pictures to train and judge with: folders of portraits, landmark and mask files beside aligned photos."""
