-- false rather than absent: as declared where Git says suspend: false, and no difference where it says nothing.
obj.spec.suspend = false
return obj
